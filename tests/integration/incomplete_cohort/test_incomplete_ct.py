"""CT that some cases lack, end to end: CT normalisation scales by statistics, and does not leave zeros at zero."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from incomplete_cohort import IncompleteCohort, write_constant
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets
from tiny_cohort import TinyCohort

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, read_availability
from nnunetv2_mstkd.cli.main import main

pytestmark = pytest.mark.slow

COHORT = IncompleteCohort(
    957,
    {
        "blobTr_000": "11",
        "blobTr_001": "01",
        "blobTr_002": "11",
        "blobTr_003": "10",
        "blobTr_004": "11",
        "blobTr_005": "01",
    },
    TinyCohort(channel_names=("CT", "T2"), regions=False),
)
FOLD = {"train": ["blobTr_000", "blobTr_001", "blobTr_002", "blobTr_003"], "val": ["blobTr_004", "blobTr_005"]}
SAMPLES = 10_000  # of the statistics, in these commands


@dataclass(frozen=True)
class Trained:
    """What the commands leave."""

    raw: Path
    preprocessed: Path
    model: Path


@pytest.fixture(scope="module")
def trained(nnunet_folders, stock) -> Trained:
    """The cohort, planned with our extractor and preprocessor, and a training of one epoch."""
    raw, preprocessed = (
        folder / COHORT.name for folder in (nnunet_folders.nnUNet_raw, nnunet_folders.nnUNet_preprocessed)
    )
    COHORT.write(raw)
    ours = ("-fpe", "MSTKDFingerprintExtractor", "-preprocessor_name", "MSTKDPreprocessor")
    plan = ("-c", "3d_fullres", "-pl", "nnUNetPlannerTiny", *ours, "-npfp", 1, "-np", 1)
    stock.run("nnUNetv2_plan_and_preprocess", "-d", COHORT.number, *plan)
    (preprocessed / "splits_final.json").write_text(json.dumps([FOLD]))
    trainer = "nnUNetTrainerMSTKD_1epoch"
    training = ("-tr", trainer, "-p", "nnUNetPlansTiny", "-device", "cpu")
    stock.run("nnUNetv2_train", COHORT.number, "3d_fullres", 0, *training)
    model = nnunet_folders.nnUNet_results / COHORT.name / f"{trainer}__nnUNetPlansTiny__3d_fullres"
    return Trained(raw, preprocessed, model)


def test_the_statistics_are_those_of_the_cases_that_have_it(trained):
    """By nnU-Net's own function on these cases, in which CT is the first channel and so drawn first."""
    fingerprint = json.loads((trained.preprocessed / "dataset_fingerprint.json").read_text())
    dataset_json = json.loads((trained.raw / "dataset.json").read_text())
    drawn = [
        DatasetFingerprintExtractor.analyze_case(
            files["images"], files["label"], SimpleITKIO, SAMPLES // len(COHORT.present)
        )[2][0]
        for case, files in get_filenames_of_train_images_and_targets(str(trained.raw), dataset_json).items()
        if COHORT.present[case][0] == "1"
    ]
    assert len(drawn) == 4
    values = np.concatenate(drawn)
    found = fingerprint["foreground_intensity_properties_per_channel"]["0"]
    assert (found["mean"], found["std"]) == (float(values.mean()), float(values.std()))
    assert (found["min"], found["max"]) == (values.min(), values.max())
    assert [found[f"percentile_{name}"] for name in ("00_5", "99_5")] == list(np.percentile(values, (0.5, 99.5)))
    plans = json.loads((trained.preprocessed / "nnUNetPlansTiny.json").read_text())
    assert plans["foreground_intensity_properties_per_channel"]["0"] == found
    assert plans["configurations"]["3d_fullres"]["normalization_schemes"] == ["CTNormalization", "ZScoreNormalization"]


def test_what_is_absent_is_exactly_zero_in_the_preprocessed_data(trained):
    dataset = nnUNetDatasetBlosc2(str(trained.preprocessed / "nnUNetPlansTiny_3d_fullres"))
    for case, subset in COHORT.availability.present.items():
        voxels = dataset.load_case(case)[0][:]
        for channel, is_present in enumerate(subset.present):
            assert voxels[channel].any() == is_present, (case, channel)


def test_the_training_knows_what_is_absent(trained):
    table = read_availability(trained.preprocessed / AVAILABILITY_FILE, COHORT.modalities)
    assert table == COHORT.availability
    fold = trained.model / "fold_0"
    assert "Training: 2 of 4 cases have all modalities (CT 3, T2 3)" in next(fold.glob("training_log_*")).read_text()
    with open(fold / "mstkd_metrics.csv", newline="") as file:
        (epoch,) = csv.DictReader(file)
    assert all(np.isfinite(float(value)) for name, value in epoch.items() if name.startswith("loss_"))
    assert len(list((fold / "validation").glob("*.nii.gz"))) == 2


@pytest.fixture(scope="module")
def images(trained, tmp_path_factory) -> Path:
    """One patient again and again: with the CT, and with constants in its place."""
    folder = tmp_path_factory.mktemp("images")
    ct, t2 = (trained.raw / f"imagesTs/blobTs_000_{channel:04d}.nii.gz" for channel in range(2))
    shutil.copy(ct, folder / "whole_0000.nii.gz")
    for name, value in (("zeros", 0), ("air", -1024), ("offset", 37.5)):
        write_constant(folder / f"{name}_0000.nii.gz", SimpleITK.ReadImage(str(ct)), value)
    for name in ("whole", "zeros", "air", "offset"):
        shutil.copy(t2, folder / f"{name}_0001.nii.gz")
    return folder


def probabilities(folder):
    return {file.stem: np.load(file)["probabilities"] for file in folder.glob("*.npz")}


@pytest.mark.usefixtures("_lookup")
def test_a_prediction_is_the_same_whatever_constant_stands_in_the_absent_file(trained, images, stock, tmp_path):
    folder = tmp_path / "stock"
    model = (
        "-d",
        COHORT.number,
        "-c",
        "3d_fullres",
        "-f",
        0,
        "-tr",
        "nnUNetTrainerMSTKD_1epoch",
        "-p",
        "nnUNetPlansTiny",
    )
    how = ("--save_probabilities", "--disable_tta", "-device", "cpu", "-npp", 0, "-nps", 0)
    stock.run("nnUNetv2_predict", "-i", images, "-o", folder, *model, *how)
    found = probabilities(folder)
    assert sorted(found) == ["air", "offset", "whole", "zeros"]
    assert np.array_equal(found["air"], found["zeros"])
    assert np.array_equal(found["offset"], found["zeros"])
    assert not np.array_equal(found["whole"], found["zeros"])

    shutil.copytree(images, tmp_path / "images")
    shutil.copy(tmp_path / "images/whole_0001.nii.gz", tmp_path / "images/none_0001.nii.gz")
    ours = tmp_path / "ours"
    arguments = ("-m", trained.model, "-i", tmp_path / "images", "-o", ours, "--save_probabilities", "--disable_tta")
    assert main(["predict", *map(str, arguments), "-f", "0", "-device", "cpu"]) == 0
    found_by_us = probabilities(ours)
    for case in ("none", "zeros", "air", "offset"):
        assert np.array_equal(found_by_us[case], found["zeros"]), case
    assert np.array_equal(found_by_us["whole"], found["whole"])
