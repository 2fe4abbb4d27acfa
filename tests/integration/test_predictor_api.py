"""MissingModalityPredictor: files, SimpleITK images and arrays in, labels out."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.errors import CaseError, ModalityError, ModelFolderError, SettingsError
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor

pytestmark = pytest.mark.slow


@pytest.fixture
def predictor(trained_model, find_trainer) -> MissingModalityPredictor:
    return MissingModalityPredictor(trained_model(), device="cpu", mirroring=False)


def image(file: str) -> SimpleITK.Image:
    return SimpleITK.ReadImage(file)


def array(file: str) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(image(file))


def test_files_images_and_arrays_give_the_same(predictor, files):
    from_files = predictor.predict_case(T1ce=files["T1ce"], FLAIR=Path(files["FLAIR"]))
    from_images = predictor.predict_case(t1gd=image(files["T1ce"]), t2f=image(files["FLAIR"]))
    arrays = {"T1ce": array(files["T1ce"]), "FLAIR": array(files["FLAIR"])}
    from_arrays = predictor.predict_case(arrays, spacing_mm=(3, 3, 3))
    assert from_files.labels.shape == array(files["T1"]).shape
    assert np.array_equal(from_files.labels, from_images.labels)
    assert np.array_equal(from_files.labels, from_arrays.labels)
    assert {str(p.used) for p in (from_files, from_images, from_arrays)} == {"T1ce+FLAIR"}


def test_inputs_may_be_of_several_kinds_if_they_fit(predictor, files):
    mixed = predictor.predict_case(T1ce=files["T1ce"], FLAIR=image(files["FLAIR"]))
    assert np.array_equal(mixed.labels, predictor.predict_case(T1ce=files["T1ce"], FLAIR=files["FLAIR"]).labels)


def test_probabilities_come_when_asked_for_and_fit_the_labels(predictor, files):
    plain = predictor.predict_case(FLAIR=files["FLAIR"])
    prediction = predictor.predict_case(FLAIR=files["FLAIR"], return_probabilities=True)
    assert plain.probabilities is None
    assert prediction.probabilities.shape == (3, *prediction.labels.shape)  # whole tumour, core, enhancing
    assert np.array_equal(prediction.labels > 0, (prediction.probabilities > 0.5).any(axis=0))


def test_the_image_and_the_saved_file_have_the_geometry_of_the_input(predictor, files, tmp_path):
    prediction = predictor.predict_case(T2=files["T2"])
    prediction.save(tmp_path / "seg.nii.gz")
    for result in (prediction.image(), image(str(tmp_path / "seg.nii.gz"))):
        given = image(files["T2"])
        assert (result.GetSize(), result.GetSpacing()) == (given.GetSize(), given.GetSpacing())
        assert (result.GetOrigin(), result.GetDirection()) == (given.GetOrigin(), given.GetDirection())
        assert np.array_equal(SimpleITK.GetArrayFromImage(result), prediction.labels)


def test_the_caller_s_arrays_are_left_alone(predictor, files):
    given = array(files["FLAIR"])
    before = given.copy()
    predictor.predict_case(FLAIR=given, spacing_mm=(3, 3, 3))
    assert np.array_equal(given, before)


def test_one_predictor_predicts_one_subset_after_another(predictor, files):
    """Nothing of a case is left for the next one."""
    first = predictor.predict_case(files)
    predictor.predict_case(T1=files["T1"])
    assert np.array_equal(first.labels, predictor.predict_case(files).labels)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, ModalityError, "No image is given"),
        ({"FLIAR": "FLAIR"}, ModalityError, "Did you mean 'FLAIR'"),
        ({"T1ce": "T1ce", "t1gd": "T1ce"}, ModalityError, "'t1gd'"),
    ],
)
def test_wrong_names_are_refused(predictor, files, arguments, error, says):
    with pytest.raises(error, match=says):
        predictor.predict_case({name: files[modality] for name, modality in arguments.items()})


def test_what_cannot_be_used_is_refused_with_all_that_is_wrong(predictor, files, tmp_path):
    whole = array(files["FLAIR"])
    with pytest.raises(CaseError, match="needs spacing_mm with 3 numbers"):
        predictor.predict_case(FLAIR=whole)
    with pytest.raises(CaseError, match="shape"):
        predictor.predict_case(FLAIR=whole[None], spacing_mm=(3, 3, 3))
    with pytest.raises(CaseError, match="size"):
        predictor.predict_case(FLAIR=whole, T1=whole[1:], spacing_mm=(3, 3, 3))
    with pytest.raises(CaseError, match="cannot be read"):
        predictor.predict_case(FLAIR=tmp_path / "nothing.nii.gz")
    spoilt = whole.astype(np.float32)
    spoilt[3, 3, 3] = np.nan
    with pytest.raises(CaseError, match="NaN"):
        predictor.predict_case(FLAIR=spoilt, spacing_mm=(3, 3, 3))


def test_a_voxel_that_is_no_number_is_seen_in_an_image_in_memory(predictor, files):
    spoilt = SimpleITK.Cast(image(files["FLAIR"]), SimpleITK.sitkFloat32)
    spoilt[3, 3, 3] = float("nan")
    with pytest.raises(CaseError, match="has 1 NaN"):
        predictor.predict_case(FLAIR=spoilt)


def test_an_image_that_cannot_be_converted_is_named(predictor):
    with pytest.raises(CaseError, match="FLAIR cannot be read"):
        predictor.predict_case(FLAIR=SimpleITK.Image(4, 4, SimpleITK.sitkLabelUInt8))


def test_one_image_for_two_modalities_is_refused(predictor, files):
    for given in (files["T1"], array(files["T1"])):
        with pytest.raises(CaseError, match=r"T1 .*and T2 .*hold the same voxels|T1 and T2 hold the same voxels"):
            predictor.predict_case(T1=given, T2=given, spacing_mm=(3, 3, 3))


def test_a_dedicated_model_needs_channels_that_are_not_empty(random_model, files):
    model = random_model("nnUNetTrainerModalityDropout", plans={"mstkd": {"fixed_subset": "0101"}})
    predictor = MissingModalityPredictor(model, device="cpu", mirroring=False)
    assert str(predictor.predict_case(files).used) == "T1ce+FLAIR"
    with pytest.raises(CaseError, match=r"has T1\+T1ce; this model was trained for T1ce\+FLAIR alone"):
        predictor.predict_case(T1=files["T1"], T1ce=files["T1ce"], FLAIR=image(files["FLAIR"]) * 0)


def test_threads_do_not_mix_the_folds(random_model, files, monkeypatch):
    predictor = MissingModalityPredictor(random_model(folds=(0, 1)), device="cpu", mirroring=False)
    expected = predictor.predict_case(files, return_probabilities=True).probabilities
    predict_tiles = predictor._predictor.predict_sliding_window_return_logits
    inside, together = [], []

    def slowly(data):
        inside.append(threading.get_ident())
        time.sleep(0.1)
        together.append(len(set(inside)) > 1)
        logits = predict_tiles(data)
        inside.remove(threading.get_ident())
        return logits

    monkeypatch.setattr(predictor._predictor, "predict_sliding_window_return_logits", slowly)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: predictor.predict_case(files, return_probabilities=True), range(2)))
    assert not any(together)
    assert all(np.array_equal(result.probabilities, expected) for result in results)


def test_a_model_that_turns_images_gives_labels_in_the_input_s_geometry(random_model, files, tmp_path):
    model = random_model(plans={"image_reader_writer": "SimpleITKIOWithReorient"})
    predictor = MissingModalityPredictor(model, device="cpu", mirroring=False)
    given = SimpleITK.DICOMOrient(image(files["T2"]), "PIR")
    prediction = predictor.predict_case(T2=given)
    prediction.save(tmp_path / "seg.nii.gz")
    result, saved = prediction.image(), image(str(tmp_path / "seg.nii.gz"))
    assert result.GetSize() == given.GetSize()
    assert result.GetDirection() == given.GetDirection()
    assert result.GetOrigin() == pytest.approx(given.GetOrigin())
    assert np.array_equal(SimpleITK.GetArrayFromImage(result), SimpleITK.GetArrayFromImage(saved))
    with pytest.raises(CaseError, match="which an array does not tell"):
        predictor.predict_case(T2=array(files["T2"]), spacing_mm=(3, 3, 3))


def test_a_device_that_is_not_there_is_named_before_anything_is_read(tmp_path):
    for device in ("cuda:99", "gpu"):
        with pytest.raises(SettingsError, match=f"'{device}' cannot be used"):
            MissingModalityPredictor(tmp_path, device=device)


def test_an_array_has_no_geometry_to_save(predictor, files, tmp_path):
    prediction = predictor.predict_case(FLAIR=array(files["FLAIR"]), spacing_mm=(3, 3, 3))
    assert prediction.image().GetSpacing() == (3.0, 3.0, 3.0)
    with pytest.raises(CaseError, match="without origin and direction"):
        prediction.save(tmp_path / "seg.nii.gz")


def test_a_wrong_model_folder_is_named(tmp_path):
    with pytest.raises(ModelFolderError, match=r"no plans\.json"):
        MissingModalityPredictor(tmp_path)
