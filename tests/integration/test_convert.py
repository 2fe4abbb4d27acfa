"""What `mstkd convert` writes goes through the real nnU-Net: its checks, its planning, its preprocessing."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from source_layouts import write_source

from nnunetv2_mstkd.cli.main import main

pytestmark = pytest.mark.slow

SHAPE = (20, 24, 24)  # that the smallest of plans has room for


@dataclass
class Converted:
    """A dataset that was converted, planned and preprocessed."""

    raw: Path
    preprocessed: Path
    cases: list

    def json(self, name: str):
        return json.loads((self.preprocessed / name).read_text())


@pytest.fixture
def convert(nnunet_folders, tmp_path, threads_for_processes, monkeypatch):
    """Return a function that writes a source, converts it as a user does, and has nnU-Net do all until the training."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    from nnunetv2_mstkd.planning import nnUNetPlannerTiny
    from nnunetv2_mstkd.planning.fingerprint import MSTKDFingerprintExtractor

    class Extractor(MSTKDFingerprintExtractor):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            self.num_foreground_voxels_for_intensitystats = 10_000  # not a hundred million

    def run(number: int, layout: str, *options: str, change=lambda cases: None, **source) -> Converted:
        name = f"Dataset{number}_Converted"
        cases = write_source(tmp_path / "source", layout, shape=SHAPE, **source)
        change(cases)
        raw = nnunet_folders.nnUNet_raw / name
        assert main(["convert", str(tmp_path / "source"), str(raw), "--workers", "1", *options]) == 0
        verify_dataset_integrity(str(raw), 1)  # raises
        monkeypatch.setenv("nnUNet_n_proc_DA", "1")
        api.extract_fingerprint_dataset(number, Extractor, 1, verbose=False, show_progress_bar=False)
        api.plan_experiment_dataset(number, nnUNetPlannerTiny)
        api.preprocess([number], "nnUNetPlansTiny", ["3d_fullres"], num_processes=[1], show_progress_bar=False)
        return Converted(raw, nnunet_folders.nnUNet_preprocessed / name, cases)

    return run


@pytest.mark.parametrize("is_set", [True, False])
def test_files_below_a_folder_that_is_called_like_a_variable_are_found(nnunet_folders, tmp_path, monkeypatch, is_set):
    from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

    folder = tmp_path / "a$b"
    cases = write_source(folder, "brats2023", num_patients=2)
    monkeypatch.setenv("BRATS", str(folder))
    raw = nnunet_folders.nnUNet_raw / "Dataset947_Converted"
    assert main(["convert", str(folder), str(raw), "--root-variable", "BRATS", "--workers", "1"]) == 0
    monkeypatch.delenv("b", raising=False)
    if is_set:
        monkeypatch.setenv("b", "elsewhere")
    found = get_filenames_of_train_images_and_targets(str(raw))
    for case in cases:
        assert found[case.name]["images"] == [str(case.images[name]) for name in ("T1", "T1ce", "T2", "FLAIR")]
        assert found[case.name]["label"] == str(case.label)


def voxels(file) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))


def preprocessed_case(dataset: Converted, case: str) -> tuple[np.ndarray, np.ndarray]:
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

    folder = str(dataset.preprocessed / "nnUNetPlansTiny_3d_fullres")
    data, seg, _, _ = infer_dataset_class(folder)(folder).load_case(case)
    return np.asarray(data), np.asarray(seg)


def require_truth(dataset: Converted, values: dict[int, int], ending: str = ".nii.gz") -> None:
    """The ground truth that nnU-Net scores with is the source's, with values changed as told, on the same grid."""
    for case in dataset.cases:
        truth = dataset.preprocessed / "gt_segmentations" / f"{case.name}{ending}"
        native = voxels(case.label)
        assert np.array_equal(voxels(truth), sum(new * (native == old) for old, new in values.items()))
        images = [SimpleITK.ReadImage(str(file)) for file in (truth, case.label)]
        assert images[0].GetOrigin() == pytest.approx(images[1].GetOrigin())
        assert images[0].GetDirection() == pytest.approx(images[1].GetDirection())


@pytest.mark.parametrize(
    ("number", "options"), [(941, ()), (942, ("--symlink",)), (943, ("--copy",)), (944, ("--preset", "nnunet"))]
)
def test_an_incomplete_cohort_goes_through(convert, number, options):
    dataset = convert(number, "brats2021", *options, absent={1: ["T1ce", "FLAIR"]}, num_patients=3)
    require_truth(dataset, {1: 2, 2: 1, 4: 3} if number == 944 else {1: 1, 2: 2, 4: 3})
    data, _ = preprocessed_case(dataset, "BraTS2021_00002")
    assert [bool(channel.any()) for channel in data] == [True, False, True, False]
    assert dataset.json("dataset.json")["mstkd_conversion"]["native_labels"] == (
        {"0": 0, "1": 2, "2": 1, "3": 4} if number == 944 else {"0": 0, "1": 1, "2": 2, "3": 4}
    )


def test_4d_files_go_through_with_channels_in_canonical_order(convert):
    def empty(cases):
        """The first case's T2, the last volume, holds nothing."""
        file = cases[0].images["T2"]
        volumes = SimpleITK.ReadImage(str(file))
        parts = [volumes[:, :, :, i] for i in range(4)]
        SimpleITK.WriteImage(SimpleITK.JoinSeries([*parts[:3], parts[3] * 0]), str(file))

    dataset = convert(945, "msd-brain", change=empty)
    require_truth(dataset, {1: 1, 2: 2, 3: 3})
    first, _ = preprocessed_case(dataset, "BRATS_001")
    assert [bool(channel.any()) for channel in first] == [True, True, False, True]
    # a rank correlation of 1 between a channel and its volume survives the normalisation; no other pair has it
    second, _ = preprocessed_case(dataset, "BRATS_002")
    volumes = voxels(dataset.cases[1].images["T1"])
    matrix = np.corrcoef([*(c.ravel() for c in second), *(inner(v).ravel() for v in volumes)])[:4, 4:]
    assert (matrix > 0.999).tolist() == [[i == volume for i in range(4)] for volume in (1, 2, 3, 0)]


def inner(volume: np.ndarray) -> np.ndarray:
    """What nnU-Net's crop to non-zero voxels leaves of a miniature."""
    return volume[1:-1, 1:-1, 1:-1]


def test_uncompressed_files_go_through_and_splits_reach_the_training(convert):
    dataset = convert(946, "brats-gli-post", ending=".nii", num_patients=3, absent={0: ["T2"]})
    require_truth(dataset, {value: value for value in (1, 2, 3, 4)}, ".nii")
    splits = dataset.json("splits_final.json")
    assert splits == json.loads((dataset.raw / "splits_final.json").read_text())
    assert [len({case[:15] for case in fold["val"]}) for fold in splits] == [1, 1, 1]  # both scans of a patient
