"""A cohort in which half of the cases lack modalities, planned by the stock commands, and these commands."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from incomplete_cohort import IncompleteCohort
from overlaid_nnunet import write_overlaid_nnunet

TIMEOUT_S = 900  # a command that hangs; other tests may have the cores
FOUR = IncompleteCohort(
    956,
    {
        "blobTr_000": "1111",
        "blobTr_001": "1011",
        "blobTr_002": "1111",
        "blobTr_003": "1110",
        "blobTr_004": "1111",
        "blobTr_005": "1010",
    },
)
FOLDS = [
    {"train": ["blobTr_000", "blobTr_001", "blobTr_003", "blobTr_005"], "val": ["blobTr_002", "blobTr_004"]},
    {"train": ["blobTr_001", "blobTr_002", "blobTr_004"], "val": ["blobTr_000", "blobTr_003", "blobTr_005"]},
]


# --- the commands ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stock:
    """Runs nnU-Net's commands where the overlay is installed, whatever is installed here.

    Args:
        paths: of an nnunetv2 with the overlay, and of this package.
    """

    paths: tuple[str, ...]

    def run(self, command: str, *arguments: object, fails: bool = False) -> str:
        """Return what a command prints."""
        process = self.start(command, *arguments)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        finally:
            kill(process)
        assert (process.returncode != 0) == fails, output
        return output

    def start(self, command: str, *arguments: object) -> subprocess.Popen:
        """Start a command, in a session of its own."""
        return subprocess.Popen(
            [sys.executable, str(Path(sys.executable).with_name(command)), *map(str, arguments)],
            env=self._environment(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _environment(self, command: str) -> dict[str, str]:
        # the planner sets torch's threads to it; for a training it is loader processes, which take long to start
        processes = "0" if command == "nnUNetv2_train" else "1"
        return {**os.environ, "PYTHONPATH": os.pathsep.join(self.paths), "nnUNet_n_proc_DA": processes}


def kill(process: subprocess.Popen) -> None:
    """Kill a command and what it started, as a power cut does."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


@pytest.fixture(scope="session")
def stock(tmp_path_factory) -> Stock:
    """nnU-Net's commands, with statistics of few voxels and short epochs."""
    root = tmp_path_factory.mktemp("site")
    paths = write_overlaid_nnunet(root)
    copied = root / "nnunetv2"
    # a hundred million voxels are gigabytes
    extractor = copied / "experiment_planning/dataset_fingerprint/fingerprint_extractor.py"
    replace_once(extractor, "intensitystats = 10e7", "intensitystats = 10e3")
    trainer = copied / "training/nnUNetTrainer/nnUNetTrainer.py"
    replace_once(trainer, "self.num_iterations_per_epoch = 250", "self.num_iterations_per_epoch = 6")
    replace_once(trainer, "self.num_val_iterations_per_epoch = 50", "self.num_val_iterations_per_epoch = 2")
    return Stock(paths)


def replace_once(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old} in {file}"
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def train_and_kill(stock) -> Callable[..., None]:
    """Return a function that starts `nnUNetv2_train` and kills it as soon as there is a checkpoint to continue from."""

    def train(fold_folder: Path, *arguments: object) -> None:
        training = stock.start("nnUNetv2_train", *arguments)
        deadline = time.monotonic() + TIMEOUT_S
        while not (fold_folder / "checkpoint_latest.pth").exists() and training.poll() is None:
            assert time.monotonic() < deadline, "the training does not get on"
            time.sleep(0.02)
        is_running = training.poll() is None
        kill(training)
        assert is_running, training.stdout.read()
        assert not (fold_folder / "checkpoint_final.pth").exists()

    return train


# --- the dataset -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def incomplete() -> IncompleteCohort:
    """What is written."""
    return FOUR


@pytest.fixture(scope="session")
def incomplete_raw(nnunet_folders, incomplete) -> Path:
    """The raw dataset."""
    raw = nnunet_folders.nnUNet_raw / incomplete.name
    incomplete.write(raw)
    return raw


@pytest.fixture(scope="session")
def planned(incomplete, incomplete_raw, nnunet_folders, stock) -> Path:
    """The dataset, planned and preprocessed by one stock command with our extractor."""
    options = ("-c", "2d", "3d_fullres", "-pl", "nnUNetPlannerTiny", "-fpe", "MSTKDFingerprintExtractor")
    processes = ("-npfp", 1, "-np", 1)
    stock.run(
        "nnUNetv2_plan_and_preprocess", "-d", incomplete.number, *options, "--verify_dataset_integrity", *processes
    )
    return nnunet_folders.nnUNet_preprocessed / incomplete.name


@pytest.fixture(scope="session")
def incomplete_dataset(make_dataset, incomplete, incomplete_raw, planned):
    """The dataset as the fixtures make_trainer and trained_model take one."""
    return type(make_dataset("regions"))(incomplete.name, incomplete.number, incomplete_raw, planned)


@pytest.fixture
def folds(planned) -> list[dict[str, list[str]]]:
    """Splits in which cases that lack modalities are trained on, and validated."""
    (planned / "splits_final.json").write_text(json.dumps(FOLDS))
    return FOLDS


@pytest.fixture
def _lookup(find_trainer) -> None:
    """Let nnU-Net find our trainers, also from an editable install."""
