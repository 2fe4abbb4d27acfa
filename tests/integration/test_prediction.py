"""The mask at prediction, by nnU-Net's own predictor in this process; test_commands.py has the commands."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunetv2_mstkd.errors import ModalityError

pytestmark = pytest.mark.slow

TRAINERS = ("nnUNetTrainerMSTKD_1epoch", "nnUNetTrainerModalityDropout_1epoch")
# the rivals with one encoder; test_multi_encoder.py has the others
RIVALS = ("nnUNetTrainerACN_1epoch", "nnUNetTrainerSMUNet_1epoch")


@pytest.fixture
def predict(find_trainer, monkeypatch):
    """Return a function that gives the probabilities of a case: (regions or labels, z, y, x)."""

    def run(model: Path, files: list[str], modalities: str | None = None, folds=(0,)) -> np.ndarray:
        monkeypatch.delenv("MSTKD_MODALITIES", raising=False)
        if modalities is not None:
            monkeypatch.setenv("MSTKD_MODALITIES", modalities)
        predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(model), folds, "checkpoint_final.pth")
        ((_, probabilities),) = predictor.predict_from_files_sequential([files], None, save_probabilities=True)
        assert np.isfinite(probabilities).all()
        return probabilities

    return run


def zero_filled(files: list[str], channels: list[int], folder: Path) -> list[str]:
    """Copy a case's files, with zeros in some channels."""
    copies = []
    for channel, file in enumerate(files):
        image = SimpleITK.ReadImage(file)
        if channel in channels:
            zeros = SimpleITK.Image(image.GetSize(), image.GetPixelID())
            zeros.CopyInformation(image)
            image = zeros
        copies.append(str(folder / Path(file).name))
        SimpleITK.WriteImage(image, copies[-1])
    return copies


@pytest.mark.parametrize(
    ("name", "variant"), [*product(TRAINERS, ("regions", "anisotropic")), *product(RIVALS, ("regions",))]
)
def test_the_mask_equals_zero_filled_files(trained_model, make_dataset, predict, tmp_path, name, variant):
    """All channels share one head with exact zeros outside, so that the union of non-zero voxels stays."""
    model, dataset = trained_model(name, variant), make_dataset(variant)
    files = dataset.test_files(dataset.test_cases[0])
    masked = predict(model, files, "T1ce,FLAIR")
    assert np.array_equal(masked, predict(model, zero_filled(files, [0, 2], tmp_path)))
    assert not np.array_equal(masked, predict(model, files))


def test_every_spelling_means_the_same(trained_model, make_dataset, predict):
    files = make_dataset("regions").test_files(make_dataset("regions").test_cases[0])
    model = trained_model()
    expected = predict(model, files, "T1ce,FLAIR")
    for text in ("0101", "t2f+T1GD", " flair , t1c "):
        assert np.array_equal(predict(model, files, text), expected)


def test_all_modalities_are_the_same_as_no_mask(trained_model, make_dataset, predict):
    files = make_dataset("regions").test_files(make_dataset("regions").test_cases[0])
    assert np.array_equal(predict(trained_model(), files, "1111"), predict(trained_model(), files))


def test_a_normalisation_that_does_not_keep_zero_is_masked_too(
    trained_model, make_dataset, predict, tmp_path, overlay_installed
):
    """CT normalisation moves 0: the variable is enough; zero-filled files are with our preprocessor only."""
    model, dataset = trained_model(variant="two_modalities"), make_dataset("two_modalities")
    files = dataset.test_files(dataset.test_cases[0])
    assert dataset.plans["configurations"]["3d_fullres"]["normalization_schemes"][0] == "CTNormalization"
    masked = predict(model, files, "T2")
    without_ct = zero_filled(files, [0], tmp_path)
    assert np.array_equal(masked, predict(model, without_ct, "T2"))
    assert np.array_equal(masked, predict(model, without_ct)) == bool(overlay_installed)


def test_the_mask_holds_for_every_fold_of_an_ensemble(trained_model, make_dataset, predict, tmp_path):
    """nnU-Net loads each fold's weights into one network."""
    model = trained_model("nnUNetTrainerModalityDropout_1epoch", folds=(0, 1))
    files = make_dataset("regions").test_files(make_dataset("regions").test_cases[0])
    masked = predict(model, files, "T1", folds=(0, 1))
    assert np.array_equal(masked, predict(model, zero_filled(files, [1, 2, 3], tmp_path), folds=(0, 1)))
    assert not np.array_equal(masked, predict(model, files, "T1", folds=(0,)))


@pytest.mark.parametrize("name", ["nnUNetTrainerModalityDropout_1epoch", *RIVALS])
def test_a_fixed_subset_is_fixed_at_prediction(trained_model, make_dataset, predict, tmp_path, name):
    """A model that is dedicated to one subset: ACN and SMU-Net as they were published."""
    model = trained_model(name, settings={"fixed_subset": "T1ce,FLAIR"})
    files = make_dataset("regions").test_files(make_dataset("regions").test_cases[0])
    expected = predict(model, files)
    assert np.array_equal(expected, predict(model, zero_filled(files, [0, 2], tmp_path)))
    assert not np.array_equal(expected, predict(model, zero_filled(files, [1], tmp_path)))
    assert np.array_equal(expected, predict(model, files, "T1,T1ce,FLAIR"))
    with pytest.raises(ModalityError, match=r"asks for T1ce.*T1ce\+FLAIR alone"):
        predict(model, files, "T1ce")


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize("text", ["T1ce,FLIAR", "", "0000", "01010", "T1ce,T1c"])
def test_a_wrong_mask_is_refused_with_the_choices(trained_model, predict, name, text):
    with pytest.raises(ModalityError, match=r"MSTKD_MODALITIES=.*T1 \(channel 0\).*FLAIR \(channel 3\)"):
        predict(trained_model(name), [], text)


@pytest.mark.parametrize("name", TRAINERS)
def test_a_case_short_of_a_file_is_refused_and_the_file_named(
    trained_model, make_dataset, predict, name, overlay_installed
):
    files = make_dataset("regions").test_files(make_dataset("regions").test_cases[0])
    missing = "Missing: _0002 T2" if overlay_installed else "3 channel files.*_0002 T2"
    with pytest.raises(ModalityError, match=missing):
        predict(trained_model(name), [files[0], files[1], files[3]])


def test_a_channel_of_another_kind_is_refused(trained_model, make_dataset, predict, tmp_path, overlay_installed):
    """The count is right, so that nnU-Net alone would take the fifth channel for the fourth."""
    if not overlay_installed:
        pytest.skip("needs the preprocessor of the overlay, which an editable install does not have")
    files = make_dataset("regions").test_files(make_dataset("regions").test_cases[0])
    fifth = shutil.copy(files[3], tmp_path / Path(files[3]).name.replace("_0003", "_0004"))
    with pytest.raises(ModalityError, match=r"Missing: _0003 FLAIR.*_0004"):
        predict(trained_model(), [*files[:3], str(fifth)])


def test_the_models_plans_name_nnunets_own_preprocessor(trained_model):
    """A model folder is an ordinary one: whoever reads its plans needs nothing of ours to preprocess."""
    plans = (trained_model() / "plans.json").read_text()
    assert "MSTKDPreprocessor" not in plans
    assert '"DefaultPreprocessor"' in plans


def test_two_dimensional_models_predict_with_a_mask(trained_model, make_dataset, predict, tmp_path):
    model = trained_model("nnUNetTrainerMSTKD_1epoch", "regions", configuration="2d")
    files = make_dataset("regions").test_files(make_dataset("regions").test_cases[0])
    assert np.array_equal(predict(model, files, "T2"), predict(model, zero_filled(files, [0, 1, 3], tmp_path)))
