"""A cascade's labels of the previous stage are checked like images, before any network runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor

pytestmark = pytest.mark.slow


@pytest.fixture
def labels(make_dataset) -> Path:
    """The labels of the test case of `files`."""
    dataset = make_dataset("regions")
    return dataset.raw / "labelsTs" / f"{dataset.test_cases[0]}.nii.gz"


@pytest.fixture
def predictor(random_model) -> MissingModalityPredictor:
    return MissingModalityPredictor(random_model(cascade=True), device="cpu", mirroring=False)


def test_labels_may_be_a_file_or_an_array(predictor, files, labels):
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(labels)))
    images = {"T1ce": files["T1ce"]}
    given = (labels, str(labels), array)
    results = [predictor.predict_case(images, previous_stage=each).labels for each in given]
    assert all(np.array_equal(results[0], result) for result in results)
    assert not np.array_equal(results[0], predictor.predict_case(images, previous_stage=0 * array).labels)


def test_labels_that_do_not_fit_the_images_are_refused(predictor, files, labels):
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(labels)))
    with pytest.raises(CaseError, match="needs the labels of its previous stage"):
        predictor.predict_case(T1ce=files["T1ce"])
    with pytest.raises(CaseError, match="have the shape"):
        predictor.predict_case(T1ce=files["T1ce"], previous_stage=array.reshape(*array.shape[:2], -1, 1))


def test_a_model_that_is_no_cascade_refuses_labels(random_model, files, labels):
    with pytest.raises(CaseError, match="no cascade"):
        MissingModalityPredictor(random_model(), device="cpu").predict_case(T1=files["T1"], previous_stage=labels)


def test_the_labels_of_a_folder_are_checked_first_and_part_of_the_record(random_model, files, labels, tmp_path, capsys):
    images, previous = tmp_path / "images", tmp_path / "previous"
    images.mkdir(), previous.mkdir()
    for case in ("good", "shifted", "damaged", "lacking"):
        shutil.copy(files["T1ce"], images / f"{case}_0001.nii.gz")
    shutil.copy(labels, previous / "good.nii.gz")
    shifted = SimpleITK.ReadImage(str(labels))
    shifted.SetOrigin([x + 50 for x in shifted.GetOrigin()])
    SimpleITK.WriteImage(shifted, str(previous / "shifted.nii.gz"))
    (previous / "damaged.nii.gz").write_bytes(b"no image")
    arguments = ["predict", "-m", random_model(cascade=True), "-i", images, "-o", tmp_path / "output", "-device", "cpu"]
    command = [str(argument) for argument in [*arguments, "--disable_tta", "-prev_stage_predictions", previous]]
    assert main(command) == 1
    assert not (tmp_path / "output").exists()
    told = capsys.readouterr().err
    assert "shifted: its images and shifted.nii.gz, labels of the previous stage, differ: origin" in told
    assert all(f"{case}: the labels of the previous stage cannot be read" in told for case in ("damaged", "lacking"))
    for case in ("shifted", "damaged", "lacking"):
        (images / f"{case}_0001.nii.gz").unlink()
    assert main(command) == 0
    sidecar = tmp_path / "output" / "good.mstkd.json"
    stage = {"file": str(previous / "good.nii.gz"), "sha256": sha256_of(previous / "good.nii.gz")}
    assert json.loads(sidecar.read_text())["previous_stage"] == stage
    before = sidecar.stat().st_mtime_ns
    assert main([*command, "--continue_prediction"]) == 0
    assert sidecar.stat().st_mtime_ns == before
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(labels)) * 0, str(previous / "good.nii.gz"))
    assert main([*command, "--continue_prediction"]) == 0
    assert json.loads(sidecar.read_text())["previous_stage"] != stage
