"""`mstkd convert-back` on what nnU-Net's own predictor, `mstkd predict` and `mstkd convert` write."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from source_layouts import write_source

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.datasets.audit.audit import audit_dataset
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME, LAYOUTS

pytestmark = pytest.mark.slow

CASE = "UPENN-GBM-00007_11"
# UPENN-GBM with nnU-Net's order of labels: what mstkd convert --preset nnunet notes
CONVERSION = {
    "labels": {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [2, 3], "enhancing_tumor": [3]},
    "regions_class_order": [1, 2, 3],
    "mstkd_conversion": {
        "layout": "upenn-gbm",
        "title": "UPENN-GBM",
        "preset": "nnunet",
        "native_labels": {"0": 0, "1": 2, "2": 1, "3": 4},
        "prediction_name": "{case}_segm.nii.gz",
    },
}


@pytest.fixture
def images(files, tmp_path):
    """A folder with the channels of a case, under its name."""
    folder = tmp_path / "images"
    folder.mkdir()
    for channel, file in enumerate(files.values()):
        image = SimpleITK.ReadImage(file)
        image.SetOrigin((3.0, -239.0, 7.5))
        image.SetDirection((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
        SimpleITK.WriteImage(image, str(folder / f"{CASE}_{channel:04d}.nii.gz"))
    return folder


@pytest.fixture
def model(random_model):
    return random_model(dataset_json=CONVERSION)


def predict_with_stock(model, images, output) -> None:
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), (0,), "checkpoint_final.pth")
    predictor.predict_from_files(
        str(images), str(output), num_processes_preprocessing=1, num_processes_segmentation_export=1
    )


def test_a_stock_prediction_gets_the_challenges_values_name_and_geometry(model, images, tmp_path):
    predict_with_stock(model, images, tmp_path / "predictions")
    predicted = SimpleITK.ReadImage(str(tmp_path / "predictions" / f"{CASE}.nii.gz"))
    assert {1, 2, 3} & set(np.unique(SimpleITK.GetArrayFromImage(predicted)))  # random weights paint something
    assert main(["convert-back", str(tmp_path / "predictions"), str(tmp_path / "out")]) == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == [f"{CASE}_segm.nii.gz"]
    written = SimpleITK.ReadImage(str(tmp_path / "out" / f"{CASE}_segm.nii.gz"))
    expected = np.array([0, 2, 1, 4])[SimpleITK.GetArrayFromImage(predicted)]
    assert np.array_equal(SimpleITK.GetArrayFromImage(written), expected)
    reference = SimpleITK.ReadImage(str(images / f"{CASE}_0000.nii.gz"))
    for what in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(written, what)() == pytest.approx(getattr(reference, what)(), abs=1e-5)


def test_a_prediction_of_ours_becomes_bids_with_what_was_used(model, images, tmp_path):
    (images / f"{CASE}_0002.nii.gz").unlink()
    output, out = tmp_path / "predictions", tmp_path / "out"
    arguments = ["-m", model, "-i", images, "-o", output, "-device", "cpu", "--disable_tta"]
    assert main(["predict", *map(str, arguments)]) == 0
    assert main(["convert-back", str(output), str(out), "--bids", "--sources", str(images)]) == 0
    stem = out / "sub-UPENNGBM0000711/anat/sub-UPENNGBM0000711_desc-mstkd_dseg"
    sidecar = json.loads(stem.with_name(f"{stem.name}.json").read_text())
    assert sidecar["ModalitiesUsed"] == ["T1", "T1ce", "FLAIR"]
    assert sidecar["Sources"] == [f"bids:sources:{CASE}_{channel:04d}.nii.gz" for channel in (0, 1, 3)]
    assert sidecar["Model"]["trainer"] == "nnUNetTrainer"
    predicted = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output / f"{CASE}.nii.gz")))
    written = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(f"{stem}.nii.gz"))
    assert np.array_equal(written, np.array([0, 2, 1, 4])[predicted])


def read(file) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))


@pytest.mark.parametrize("preset", ["native", "nnunet"])
@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_what_the_converter_writes_is_sound_and_comes_back_as_it_was(layout, preset, tmp_path):
    absent = {0: ["T1", "T2"]} if layout == "brats2021" else None
    cases = write_source(tmp_path / "source", layout, num_patients=2, absent=absent)
    dataset, folder = tmp_path / "Dataset137_Converted", tmp_path / "predictions"
    arguments = [tmp_path / "source", dataset, "--preset", preset, "--layout", layout, "--workers", 1]
    assert main(["convert", *map(str, arguments)]) == 0
    assert audit_dataset(dataset) == []
    content = json.loads((dataset / "dataset.json").read_text())
    folder.mkdir()
    shutil.copy(dataset / "dataset.json", folder)
    for case in cases:  # a model without error predicts the reference
        shutil.copy(dataset / content["dataset"][case.name]["label"], folder / f"{case.name}{content['file_ending']}")
    assert main(["convert-back", str(folder), str(tmp_path / "out")]) == 0
    for case in cases:
        written = tmp_path / "out" / BY_NAME[layout].prediction_name.format(case=case.name)
        assert np.array_equal(read(written), read(case.label))
