"""`mstkd convert-back` on what nnU-Net's own predictor, `mstkd predict` and `mstkd convert` write."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.export_prediction import export_prediction_from_logits
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from source_layouts import ROWS, write_source

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
    stem = out / "sub-UPENNGBM00007/ses-11/anat/sub-UPENNGBM00007_ses-11_desc-mstkd_dseg"
    sidecar = json.loads(stem.with_name(f"{stem.name}.json").read_text())
    assert sidecar["ModalitiesUsed"] == ["T1", "T1ce", "FLAIR"]
    assert sidecar["Sources"] == [f"bids:sources:{CASE}_{channel:04d}.nii.gz" for channel in (0, 1, 3)]
    description = json.loads((out / "dataset_description.json").read_text())
    assert (out / description["DatasetLinks"]["sources"]).resolve() == images.resolve()
    assert "UnlinkedImages" not in sidecar
    assert sidecar["Model"]["trainer"] == "nnUNetTrainer"
    predicted = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output / f"{CASE}.nii.gz")))
    written = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(f"{stem}.nii.gz"))
    assert np.array_equal(written, np.array([0, 2, 1, 4])[predicted])


def read(file) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))


@pytest.fixture
def predict_without_error(make_dataset, tmp_path):
    """Return a function that has nnU-Net write what a model that makes no error predicts, and gives the folder."""
    plans_manager = PlansManager(copy.deepcopy(make_dataset("regions").plans))

    def predict(dataset_json: dict, references: dict[str, Path]) -> Path:
        folder = tmp_path / "predictions"
        folder.mkdir()
        (folder / "dataset.json").write_text(json.dumps(dataset_json))
        label_manager = plans_manager.get_label_manager(dataset_json)
        for case, reference in references.items():
            seg, properties = plans_manager.image_reader_writer_class().read_seg(str(reference))
            seg = seg[0].transpose(plans_manager.transpose_forward)
            if label_manager.has_regions:
                heads = [np.isin(seg, region) for region in label_manager.foreground_regions]
            else:
                heads = [seg == label for label in label_manager.all_labels]
            properties["shape_before_cropping"] = properties["shape_after_cropping_and_before_resampling"] = seg.shape
            properties["bbox_used_for_cropping"] = [[0, length] for length in seg.shape]
            export_prediction_from_logits(
                torch.from_numpy(np.where(heads, 8, -8).astype(np.float32)),
                properties,
                plans_manager.get_configuration("3d_fullres"),
                plans_manager,
                dataset_json,
                str(folder / case),
                num_threads_torch=1,
            )
        return folder

    return predict


def converted_dataset(tmp_path, cases, *options) -> tuple[dict, dict[str, Path]]:
    """Convert a source; return dataset.json, and the reference of each case."""
    dataset = tmp_path / "Dataset137_Converted"
    arguments = [tmp_path / "source", dataset, "--workers", 1, *options]
    assert main(["convert", *map(str, arguments)]) == 0
    assert [finding for finding in audit_dataset(dataset) if finding.severity == "error"] == []
    content = json.loads((dataset / "dataset.json").read_text())
    return content, {case.name: dataset / content["dataset"][case.name]["label"] for case in cases}


@pytest.mark.parametrize("preset", ["native", "nnunet"])
@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_labels_come_back_through_converter_and_stock_prediction(layout, preset, predict_without_error, tmp_path):
    absent = {0: ["T1", "T2"]} if layout == "brats2021" else None
    cases = write_source(tmp_path / "source", layout, num_patients=2, absent=absent)
    content, references = converted_dataset(tmp_path, cases, "--preset", preset, "--layout", layout)
    folder = predict_without_error(content, references)
    assert main(["convert-back", str(folder), str(tmp_path / "out")]) == 0
    for case in cases:
        written = SimpleITK.ReadImage(str(tmp_path / "out" / BY_NAME[layout].prediction_name.format(case=case.name)))
        source = SimpleITK.ReadImage(str(case.label))
        assert set(np.unique(read(case.label))) == {0, *ROWS[layout].values.values()}
        assert np.array_equal(SimpleITK.GetArrayFromImage(written), read(case.label))
        assert written.GetPixelID() == SimpleITK.sitkUInt8
        for what in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(written, what)() == pytest.approx(getattr(source, what)(), abs=1e-5)


def test_an_order_that_exchanges_labels_is_undone(predict_without_error, tmp_path):
    cases = write_source(tmp_path / "source", "brats2021", num_patients=2)
    content, references = converted_dataset(tmp_path, cases)
    assert content["regions_class_order"] == [2, 1, 3]
    folder = predict_without_error({**content, "regions_class_order": [1, 2, 3]}, references)
    for options in ([], ["--layout", "brats2021"]):
        out = tmp_path / f"out{len(options)}"
        assert main(["convert-back", str(folder), str(out), *options]) == 0
        for case in cases:
            assert not np.array_equal(read(folder / f"{case.name}.nii.gz"), read(references[case.name]))
            assert np.array_equal(read(out / f"{case.name}.nii.gz"), read(case.label))


def test_our_derivatives_are_labels_for_the_converter(predict_without_error, tmp_path):
    cases = write_source(tmp_path / "source", "bids", num_patients=2)
    content, references = converted_dataset(tmp_path, cases)
    folder = predict_without_error(content, references)
    out = tmp_path / "source/derivatives/mstkd"
    assert main(["convert-back", str(folder), str(out), "--bids"]) == 0
    shutil.rmtree(tmp_path / "source/derivatives/manual")
    for table in (tmp_path / "source").glob("*dseg.tsv"):  # of the labels that are gone
        table.unlink()
    shutil.rmtree(tmp_path / "Dataset137_Converted")
    again, labels = converted_dataset(tmp_path, cases)
    assert again["labels"] == content["labels"]
    assert again["mstkd_conversion"] == content["mstkd_conversion"]
    for case, label in labels.items():
        stem = f"sub-{case[4:6]}/{case[7:]}/anat/{case}_desc-mstkd_dseg.nii.gz"
        assert np.array_equal(read(label), read(out / stem))
