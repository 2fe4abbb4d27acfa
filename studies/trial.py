"""One trial of the study: an arm trained once and scored on the test cases, its result kept in one JSON file."""

import contextlib
import copy
import csv
import hashlib
import json
import os
import platform
import random
import resource
import statistics
import time
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from arms import Arm, find_arm
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from scoring import score_subsets
from study_data import CONFIGURATION, StudyData, set_folders

import nnunetv2_mstkd
from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities
from nnunetv2_mstkd.trainers.metrics_log import MetricsLog
from nnunetv2_mstkd.whole_file import whole_file

FOLD = "all"  # every training case: the test cases are apart from them
TRAINING_CODE = ("architectures", "losses", "distillation", "trainers", "inference", "planning")


@dataclass(frozen=True)
class Schedule:
    """How long to train.

    Args:
        iterations: in all, a multiple of `epochs`.
        epochs: steps of nnU-Net's learning rate schedule and rows of the record.
        validation_iterations: per epoch; for the record only, nothing is chosen by them.
    """

    iterations: int = 400
    epochs: int = 20
    validation_iterations: int = 1

    def __post_init__(self) -> None:
        if self.iterations % self.epochs:
            raise ValueError(f"iterations must be a multiple of epochs; given: {self.iterations}, {self.epochs}")


@dataclass(frozen=True)
class Trial:
    """An arm, a repeat, and all that its result depends on."""

    name: str
    arm: Arm
    repeat: int
    schedule: Schedule
    data: StudyData

    @property
    def settings(self) -> dict[str, Any]:
        """The trainer's settings in full, so that a changed default makes a new key; stock nnU-Net has none."""
        defaults = getattr(recursive_find_trainer_class_by_name(self.arm.trainer), "default_settings", None)
        if defaults is None:
            return {}
        teacher = {"teacher_checkpoint": self.arm.frozen_teacher} if self.arm.frozen_teacher else {}
        return {**asdict(defaults), **self.arm.settings, **teacher, "seed": self.repeat}

    @property
    def frozen_teacher(self) -> "Trial | None":
        """The trial whose model teaches, None if there is none."""
        name = self.arm.frozen_teacher
        return replace(self, name=name, arm=find_arm(name)) if name else None

    @property
    def checkpoint(self) -> Path:
        """The trained model, once there is one."""
        (file,) = self.results_folder.glob(f"*/*/fold_{FOLD}/checkpoint_final.pth")
        return file

    @property
    def key(self) -> str:
        """A short hash of what the result depends on, the code excepted."""
        parts = (self.arm.trainer, self.settings, self.repeat, asdict(self.schedule), self.data.fingerprint)
        parts += (self.arm.absent,) if self.arm.absent != "known" else ()
        parts += (self.frozen_teacher.key,) if self.frozen_teacher else ()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]

    @property
    def label(self) -> str:
        """Arm, repeat and key, for file names."""
        return f"{self.name}_r{self.repeat}_{self.key}"

    @property
    def result_file(self) -> Path:
        """Where the result is kept."""
        return self.data.work / "runs" / f"{self.label}.json"

    @property
    def results_folder(self) -> Path:
        """The run's own nnUNet_results."""
        return self.data.work / "nnUNet_results" / self.label

    def result(self) -> dict[str, Any] | None:
        """Return the kept result, None if there is none."""
        return json.loads(self.result_file.read_text()) if self.result_file.is_file() else None


def run_trial(trial: Trial) -> dict[str, Any]:
    """Train and score, unless that is done already, and return the result. To be run in a process of its own."""
    if (kept := trial.result()) is not None:
        return kept
    torch.set_num_threads(1)
    trial.results_folder.mkdir(parents=True, exist_ok=True)
    trial.result_file.parent.mkdir(parents=True, exist_ok=True)
    set_folders(trial.data.work)  # a study may have several
    os.environ.update(nnUNet_results=str(trial.results_folder))
    with open(trial.results_folder / "output.txt", "w") as log, contextlib.redirect_stdout(log):
        started, cpu = time.perf_counter(), time.process_time()
        trainer = train(trial)
        trained, peak_mb = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        scores = score_subsets(Path(trainer.output_folder_base), FOLD, trial.data, trial.arm.only_subset)
        scored = time.perf_counter()
    result = {
        **_identity(trial),
        "seconds_step": statistics.median(trainer.step_seconds),  # of processor time, which others' load hardly changes
        "peak_mb": round(peak_mb),
        "seconds_training": round(trained - started, 1),
        "seconds_scoring": round(scored - trained, 1),
        "seconds_cpu": round(time.process_time() - cpu, 1),  # of both; another program's load does not count
        "record": _record(Path(trainer.output_folder)),
        **asdict(scores),
    }
    with whole_file(trial.result_file) as temporary:
        temporary.write_text(json.dumps(result, indent=1))
    return result


def train(trial: Trial) -> Any:
    """Train as `nnUNetv2_train -f all` does, for a short schedule and without writing checkpoints on the way."""
    plans = {**copy.deepcopy(trial.data.plans), "continue_training": False}
    if trial.settings:
        plans["mstkd"] = {**trial.arm.settings, "seed": trial.repeat}
    if trial.frozen_teacher:
        plans["mstkd"]["teacher_checkpoint"] = str(trial.frozen_teacher.checkpoint)
    trainer_class = recursive_find_trainer_class_by_name(trial.arm.trainer)
    seed_all(trial.repeat)
    trainer = trainer_class(plans, CONFIGURATION, FOLD, copy.deepcopy(trial.data.dataset_json), torch.device("cpu"))
    trainer.num_epochs = trial.schedule.epochs
    trainer.num_iterations_per_epoch = trial.schedule.iterations // trial.schedule.epochs
    trainer.num_val_iterations_per_epoch = trial.schedule.validation_iterations
    trainer.logger.plot_progress_png = lambda folder: None
    trainer.disable_checkpointing = True
    trainer.initialize()
    handle_absent(trainer, trial.arm.absent)
    trainer.step_seconds = count_seconds(trainer)
    # Anew, as stock nnU-Net draws its weights from the same generator: so all arms of a repeat see the same batches.
    seed_all(trial.repeat)
    # figures take a second an epoch, longer than its training
    with mock.patch.object(MetricsLog, "_plot", lambda log, columns, file: file.touch()):
        trainer.run_training()
    trainer.disable_checkpointing = False
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    return trainer


def handle_absent(trainer: Any, absent: str) -> None:
    """Have a trainer of ours do with absent modalities what is done without it."""
    if absent == "dropped":
        complete = trainer.available.complete_cases(trainer.do_split()[0])
        trainer.do_split = lambda: (complete, complete)
    elif absent == "data":
        modalities = trainer.modalities
        present = dict.fromkeys(trainer.available.availability.present, modalities.all)
        trainer.available = AvailableModalities(Availability(modalities, present))


def count_seconds(trainer: Any) -> list[float]:
    """Return a list to which each training step will add its seconds of processor time."""
    seconds: list[float] = []
    step = trainer.train_step

    def counted(batch: dict) -> dict:
        started = time.process_time()
        result = step(batch)
        seconds.append(time.process_time() - started)
        return result

    trainer.train_step = counted
    return seconds


def seed_all(seed: int) -> None:
    """Seed every generator that nnU-Net draws from: it has no seed of its own."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def code_hash() -> str:
    """Return a short hash of the code behind a result; it is no part of the key, so that comments may change."""
    root = Path(nnunetv2_mstkd.__file__).parent
    files = [file for folder in TRAINING_CODE for file in sorted((root / folder).rglob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


def _identity(trial: Trial) -> dict[str, Any]:
    packages = ("nnunetv2", "torch", "numpy", "dynamic-network-architectures")
    return {
        "arm": trial.name,
        "repeat": trial.repeat,
        "trainer": trial.arm.trainer,
        "settings": trial.settings,
        "schedule": asdict(trial.schedule),
        "data": trial.data.fingerprint,
        "key": trial.key,
        "code": code_hash(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def _record(fold_folder: Path) -> list[dict[str, float]]:
    """Return the rows of mstkd_metrics.csv, none for stock nnU-Net."""
    file = fold_folder / "mstkd_metrics.csv"
    if not file.is_file():
        return []
    with open(file, newline="") as lines:
        return [{name: float(value) for name, value in row.items() if value != ""} for row in csv.DictReader(lines)]
