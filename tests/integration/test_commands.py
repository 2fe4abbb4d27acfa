"""The stock commands, typed as a user types them: train, kill and continue, predict with a mask, move a model."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

pytestmark = pytest.mark.slow

TRAINER = "nnUNetTrainerMSTKD_2epochs"
PLANS = "nnUNetPlansMicro"
MODEL = ["-tr", TRAINER, "-p", PLANS, "-c", "3d_fullres"]
TIMEOUT_S = 900  # a command that hangs; other tests may have the cores


@dataclass(frozen=True)
class Shell:
    """Runs nnU-Net's commands with folders of the test's own."""

    environment: dict[str, str]

    def start(self, command: str, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name(command)), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, *arguments: str, fails: bool = False) -> str:
        process = self.start(command, *arguments)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        finally:
            _kill(process)
        assert (process.returncode != 0) == fails, output
        return output

    def but(self, **variables: str) -> "Shell":
        return Shell({**self.environment, **variables})

    def predict(self, images: Path, output: Path, processes: int = 0, fails: bool = False) -> str:
        """Predict in this many processes beside the command's own, of which each takes seconds to start."""
        model = ("-d", "901", *MODEL, "-f", "0", "-device", "cpu", "-npp", str(processes), "-nps", str(processes))
        return self.run("nnUNetv2_predict", "-i", str(images), "-o", str(output), *model, fails=fails)


def _kill(process: subprocess.Popen) -> None:
    """Kill the command and what it started, as `kill -9` and a power cut do."""
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: start_new_session
    except ProcessLookupError:
        return
    process.wait()


def write_micro_plans(dataset) -> None:
    """A stock epoch has 250 + 50 iterations: patches of 8^3 make that seconds."""
    plans = json.loads(json.dumps(dataset.plans))
    plans["plans_name"] = PLANS
    configuration = plans["configurations"]["3d_fullres"]
    configuration["patch_size"] = [8, 8, 8]
    plans["mstkd"] = {"seed": 3}
    (dataset.preprocessed / f"{PLANS}.json").write_text(json.dumps(plans))


@pytest.fixture(scope="module")
def shell(make_dataset, external_trainers, tmp_path_factory):
    write_micro_plans(make_dataset("regions"))
    results = tmp_path_factory.mktemp("results")
    # one process preprocesses: the planner's variable; no loader processes: starting one takes longer than an epoch
    extra = {"nnUNet_results": str(results), "nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": "1"}
    environment = {k: v for k, v in os.environ.items() if k != "MSTKD_MODALITIES"}
    return Shell({**environment, **external_trainers, **extra})


@pytest.fixture(scope="module")
def model(shell):
    """A model folder: trained, killed after the first checkpoint, continued to the end."""
    folder = Path(shell.environment["nnUNet_results"]) / "Dataset901_Regions" / f"{TRAINER}__{PLANS}__3d_fullres"
    arguments = ("901", "3d_fullres", "0", "-tr", TRAINER, "-p", PLANS, "-device", "cpu", "--npz")
    training = shell.start("nnUNetv2_train", *arguments)
    latest = folder / "fold_0" / "checkpoint_latest.pth"
    deadline = time.monotonic() + TIMEOUT_S
    while not latest.exists() and training.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    killed = training.poll() is None
    _kill(training)
    assert latest.exists(), training.stdout.read()
    assert killed, "the training ended before it could be killed"
    assert not (folder / "fold_0" / "checkpoint_final.pth").exists()
    shell.run("nnUNetv2_train", *arguments, "--c")
    return folder


@pytest.fixture(scope="module")
def images(make_dataset):
    return make_dataset("regions").raw / "imagesTs"


@pytest.fixture(scope="module")
def masked(shell, model, images, tmp_path_factory):
    """The folder with predictions of T1ce and FLAIR."""
    output = tmp_path_factory.mktemp("masked")
    shell.but(MSTKD_MODALITIES="t1gd,FLAIR").predict(images, output, processes=1)
    return output


def segmentations(folder: Path) -> dict[str, np.ndarray]:
    files = sorted(folder.glob("*.nii.gz"))
    return {file.name: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file))) for file in files}


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert len(one) == 2  # the cohort's test cases
    assert list(one) == list(other)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_killed_training_continues_to_the_end(model):
    fold = model / "fold_0"
    with open(fold / "mstkd_metrics.csv", newline="") as file:
        assert [float(row["epoch"]) for row in csv.DictReader(file)] == [0, 1]
    files = {file.name for file in fold.iterdir()}
    assert {"checkpoint_final.pth", "checkpoint_best.pth", "progress.png", "mstkd_progress.png"} <= files
    assert not {"checkpoint_latest.pth"} & files
    assert not [name for name in files if ".partial" in name]


def test_the_final_validation_is_nnunets_own(model):
    validation = model / "fold_0" / "validation"
    summary = json.loads((validation / "summary.json").read_text())
    assert np.isfinite(summary["foreground_mean"]["Dice"])
    assert len(list(validation.glob("*.nii.gz"))) == len(list(validation.glob("*.npz"))) == 2  # fold 0 of 6 cases


def test_the_training_learned_something(model):
    """Not a benchmark: the second tiny epoch must beat the first, or nothing is trained at all."""
    with open(model / "fold_0" / "mstkd_metrics.csv", newline="") as file:
        losses = [float(row["loss_segmentation"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] - 0.05


def test_the_mask_equals_zero_filled_files(shell, model, images, masked, tmp_path):
    zero_filled = tmp_path / "images"
    shutil.copytree(images, zero_filled)
    for channel in (0, 2):
        for file in zero_filled.glob(f"*_{channel:04d}.nii.gz"):
            image = SimpleITK.ReadImage(str(file))
            zeros = SimpleITK.Image(image.GetSize(), image.GetPixelID())
            zeros.CopyInformation(image)
            SimpleITK.WriteImage(zeros, str(file))
    output = tmp_path / "output"
    shell.predict(zero_filled, output)
    assert_equal(segmentations(output), segmentations(masked))


def test_without_the_mask_all_modalities_are_used(shell, model, images, masked, tmp_path):
    shell.predict(images, tmp_path)
    whole, part = segmentations(tmp_path), segmentations(masked)
    assert list(whole) == list(part)
    assert any(not np.array_equal(whole[name], part[name]) for name in whole)


def test_a_moved_model_predicts_the_same(shell, model, images, masked, tmp_path):
    archive = tmp_path / "model.zip"
    shell.run("nnUNetv2_export_model_to_zip", "-d", "901", "-o", str(archive), *MODEL, "-f", "0")
    elsewhere = shell.but(nnUNet_results=str(tmp_path / "elsewhere"), MSTKD_MODALITIES="0101")
    (tmp_path / "elsewhere").mkdir()
    elsewhere.run("nnUNetv2_install_pretrained_model_from_zip", str(archive))
    moved = tmp_path / "elsewhere" / "Dataset901_Regions" / model.name / "fold_0"
    assert (moved / "checkpoint_final.pth").is_file()
    assert not (moved / "checkpoint_final_training_state.pth").exists()  # the teacher does not travel
    elsewhere.predict(images, tmp_path / "output")
    assert_equal(segmentations(tmp_path / "output"), segmentations(masked))


def test_the_best_configuration_is_found(shell, model):
    shell.run("nnUNetv2_find_best_configuration", "901", "-p", PLANS, "-c", "3d_fullres", "-tr", TRAINER, "-f", "0")
    inference = model.parent / "inference_instructions.txt"
    assert TRAINER in inference.read_text()


def test_an_unknown_name_ends_the_command_with_the_choices(shell, model, images, tmp_path):
    output = shell.but(MSTKD_MODALITIES="T1ce,FLIAR").predict(images, tmp_path, fails=True)
    assert "Did you mean 'FLAIR'" in output
    assert "T1 (channel 0), T1ce (channel 1), T2 (channel 2), FLAIR (channel 3)" in output
    assert not list(tmp_path.glob("*.nii.gz"))


def copy_case(images: Path, folder: Path, channels: Sequence[int], names: Sequence[int]) -> None:
    folder.mkdir()
    for channel, name in zip(channels, names, strict=True):
        shutil.copy(images / f"blobTs_000_{channel:04d}.nii.gz", folder / f"blobTs_000_{name:04d}.nii.gz")


def test_a_case_short_of_a_file_ends_the_command_and_the_file_is_named(
    shell, model, images, tmp_path, overlay_installed
):
    copy_case(images, tmp_path / "short", (0, 1, 3), (0, 1, 3))
    output = shell.predict(tmp_path / "short", tmp_path / "output", processes=1, fails=True)
    assert ("Missing: _0002 T2" if overlay_installed else "_0002 T2") in output


def test_a_channel_of_another_kind_ends_the_command(shell, model, images, tmp_path, overlay_installed):
    if not overlay_installed:
        pytest.skip("needs the preprocessor of the overlay, which an editable install does not have")
    copy_case(images, tmp_path / "wrong", (0, 1, 2, 3), (0, 1, 2, 4))
    output = shell.predict(tmp_path / "wrong", tmp_path / "output", processes=1, fails=True)
    assert "Missing: _0003 FLAIR" in output
    assert "_0004" in output


def test_training_with_the_mask_variable_ends_the_command(shell):
    masked = shell.but(MSTKD_MODALITIES="T1ce")
    arguments = ("901", "3d_fullres", "1", "-tr", TRAINER, "-p", PLANS, "-device", "cpu")
    output = masked.run("nnUNetv2_train", *arguments, fails=True)
    assert "unset MSTKD_MODALITIES" in output
