"""`mstkd predict` on files that are absent equals the stock command on zero-filled ones."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from prediction_folder import labels_of, sidecar_of

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.modalities import Modalities

pytestmark = pytest.mark.slow

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))


def zero_fill(folder: Path, case: str, num_channels: int = 4) -> list[str]:
    """Write what a case lacks as zeros, as nnU-Net needs it, and return its files."""
    files = [folder / f"{case}_{channel:04d}.nii.gz" for channel in range(num_channels)]
    present = SimpleITK.ReadImage(str(next(file for file in files if file.is_file())))
    for file in files:
        if not file.is_file():
            zeros = SimpleITK.Image(present.GetSize(), present.GetPixelID())
            zeros.CopyInformation(present)
            SimpleITK.WriteImage(zeros, str(file))
    return [str(file) for file in files]


def stock(model: Path, files: list[str], mirroring: bool = False, folds=(0,)) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of nnU-Net's own predictor."""
    predictor = nnUNetPredictor(use_mirroring=mirroring, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), folds, "checkpoint_final.pth")
    return predictor.predict_from_files_sequential([files], None, save_probabilities=True)[0]


def test_every_subset_equals_the_stock_command_on_zero_filled_files(predict, input_folder, trained_model):
    for subset in MODALITIES.subsets():
        folder = input_folder(f"case{subset.channels}", subset.channels)
    code, output = predict(folder, "--save_probabilities")
    assert code == 0
    for subset in MODALITIES.subsets():
        case = f"case{subset.channels}"
        labels, probabilities = stock(trained_model(), zero_fill(folder, case))
        assert np.array_equal(labels_of(output, case), labels), str(subset)
        assert np.array_equal(np.load(output / f"{case}.npz")["probabilities"], probabilities), str(subset)
        assert sidecar_of(output, case)["modalities"]["used"] == list(subset.names)


@pytest.mark.parametrize("variant", ["anisotropic", "two_modalities", "labels"])
def test_other_plans_equal_the_stock_command(predict, input_folder, trained_model, variant, monkeypatch):
    """two_modalities has CT normalisation, for which zero-filled files alone are not enough: the mask is."""
    model = trained_model("nnUNetTrainerMSTKD_1epoch", variant)
    code, output = predict(input_folder("case", [1], variant=variant), model=model)
    assert code == 0
    files = zero_fill(output.parent / "input", "case", 2 if variant == "two_modalities" else 4)
    monkeypatch.setenv("MSTKD_MODALITIES", "01" if variant == "two_modalities" else "0100")
    assert np.array_equal(labels_of(output, "case"), stock(model, files)[0])


def test_two_dimensional_models_folds_and_mirroring_equal_the_stock_command(input_folder, trained_model, tmp_path):
    model = trained_model("nnUNetTrainerModalityDropout_1epoch", configuration="2d", folds=(0, 1))
    folder = input_folder("case", [0, 2])
    arguments = ["-m", model, "-i", folder, "-o", tmp_path / "output", "-device", "cpu", "-npp", 0, "-nps", 0]
    assert main(["predict", *map(str, arguments)]) == 0
    expected, _ = stock(model, zero_fill(folder, "case"), mirroring=True, folds=(0, 1))
    assert np.array_equal(labels_of(tmp_path / "output", "case"), expected)
    assert sidecar_of(tmp_path / "output", "case")["model"]["folds"] == ["0", "1"]


def test_the_geometry_is_that_of_the_input(predict, input_folder):
    folder = input_folder("case", [3])
    _, output = predict(folder)
    image, seg = (SimpleITK.ReadImage(str(f)) for f in (folder / "case_0003.nii.gz", output / "case.nii.gz"))
    assert (image.GetSize(), image.GetSpacing()) == (seg.GetSize(), seg.GetSpacing())
    assert (image.GetOrigin(), image.GetDirection()) == (seg.GetOrigin(), seg.GetDirection())


def test_a_plain_nnunet_model_works_with_a_warning(predict, input_folder, trained_model, capsys):
    model = trained_model("nnUNetTrainer_1epoch")
    code, output = predict(input_folder("case", [0, 1]), model=model)
    assert code == 0
    assert "nnUNetTrainer_1epoch did not train this model for missing modalities" in capsys.readouterr().out
    expected, _ = stock(model, zero_fill(output.parent / "input", "case"))
    assert np.array_equal(labels_of(output, "case"), expected)


def test_a_cascade_gets_the_labels_of_its_previous_stage(make_dataset, input_folder, find_trainer, tmp_path, capsys):
    """Random weights: whether the labels reach the network shows in any output."""
    dataset = make_dataset("regions")
    model = tmp_path / "nnUNetTrainer__nnUNetPlansTiny__3d_cascade_fullres"
    (model / "fold_0").mkdir(parents=True)
    plans = copy.deepcopy(dataset.plans)
    stages = {"inherits_from": "3d_fullres", "previous_stage": "3d_fullres"}
    plans["configurations"]["3d_cascade_fullres"] = stages
    configuration = PlansManager(plans).get_configuration("3d_cascade_fullres")
    network = find_trainer("nnUNetTrainer").build_network_architecture(PlansManager(plans), configuration, 7, 3, False)
    checkpoint = {"trainer_name": "nnUNetTrainer", "init_args": {"configuration": "3d_cascade_fullres"}}
    torch.save({**checkpoint, "network_weights": network.state_dict()}, model / "fold_0" / "checkpoint_final.pth")
    (model / "plans.json").write_text(json.dumps(plans))
    (model / "dataset.json").write_text(json.dumps(dataset.dataset_json))
    folder = input_folder("case", [1, 3])
    arguments = ["predict", "-m", str(model), "-i", str(folder), "-o", str(tmp_path / "output"), "-device", "cpu"]
    assert main(arguments) == 1
    assert "-prev_stage_predictions" in capsys.readouterr().err
    previous = tmp_path / "previous"
    previous.mkdir()
    shutil.copy(dataset.raw / "labelsTs" / f"{dataset.test_cases[0]}.nii.gz", previous / "case.nii.gz")
    assert main([*arguments, "-prev_stage_predictions", str(previous)]) == 0
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), (0,), "checkpoint_final.pth")
    files = zero_fill(folder, "case")
    predictor.predict_from_files_sequential([files], [str(tmp_path / "stock")], False, True, str(previous))
    assert len(np.unique(expected := labels_of(tmp_path, "stock"))) > 1
    assert np.array_equal(labels_of(tmp_path / "output", "case"), expected)
