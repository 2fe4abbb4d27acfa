"""What a user says in config.yaml, read and checked before any job starts (L0: standard library only)."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.workflow.configuration_value import checked_value
from nnunetv2_mstkd.workflow.stock_schedule import OWN_TRAINERS, require_stock_schedules

DEVICES = ("cuda", "cpu", "mps")
RAW, PREPROCESSED = "nnUNet_raw", "nnUNet_preprocessed"  # nnU-Net's variables
_DATASET = re.compile(r"Dataset\d{3}_\S+")
_NAME = re.compile(r"\w+")  # of a trainer or of plans: part of the name of a folder


@dataclass(frozen=True)
class Configuration:
    """All that differs between two workflows.

    Args:
        dataset: whole name of nnU-Net's dataset.
        configuration: of the plans, such as 3d_fullres.
        trainers: to compare, each "TRAINER" or "TITLE=TRAINER", as for `mstkd benchmark -tr`.
        results: folder; nnU-Net's results of repeat r go into results/repeat_r.
        output: folder of the benchmark.
        plans: names of the plans; each trainer is trained with each.
        folds: numbers of the folds.
        repeats: how often everything is trained.
        raw: nnUNet_raw.
        preprocessed: nnUNet_preprocessed.
        cohort: whether the dataset is simulated first, by `mstkd cohort`.
        plan: whether the dataset is planned and preprocessed first.
        device: of training and prediction.
        subsets: to score; empty: all.
        parts: jobs that share the cases of one training.
        cohort_options, plan_options, train_options, benchmark_options, report_options: further ones for the commands.
        costs_script: benchmarks/method_costs.py of the source code, for the table of results and costs; None: no such.
        environment: variables for all commands.
    """

    dataset: str
    configuration: str
    trainers: tuple[str, ...]
    results: Path
    output: Path
    raw: Path
    preprocessed: Path
    plans: tuple[str, ...] = ("nnUNetPlans",)
    folds: tuple[str, ...] = ("0", "1", "2", "3", "4")
    repeats: int = 1
    cohort: bool = False
    plan: bool = False
    device: str = "cuda"
    subsets: tuple[str, ...] = ()
    parts: int = 1
    cohort_options: tuple[str, ...] = ()
    plan_options: tuple[str, ...] = ()
    train_options: tuple[str, ...] = ()
    benchmark_options: tuple[str, ...] = ()
    report_options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    costs_script: Path | None = None

    def __post_init__(self) -> None:
        """Check what no single value can tell by itself."""
        if not _DATASET.fullmatch(self.dataset):
            raise SettingsError(f"dataset: write the whole name, such as Dataset137_Glioma; given: {self.dataset}")
        for trainer in self.trainers:
            if "/" in trainer:  # to mstkd benchmark it would be a path, and that after days of training
                raise SettingsError(f"trainers: TRAINER or TITLE=TRAINER without any /; given: {trainer}")
        _require_names("trainers", self.trainer_names)
        _require_names("plans", self.plans)
        for fold in self.folds:
            if not fold.isdecimal():
                raise SettingsError(f"folds: numbers from 0 on; given: {fold}. (The cases of fold all are trained on)")
        if self.device not in DEVICES:
            raise SettingsError(f"device: must be one of {', '.join(DEVICES)}; given: {self.device}")
        if self.cohort and not self.plan:
            raise SettingsError("cohort: true needs plan: true, as nobody else has planned a dataset that is made here")

    @property
    def trainer_names(self) -> tuple[str, ...]:
        """The trainers without titles."""
        return tuple(trainer.rpartition("=")[2] for trainer in self.trainers)


def _require_names(key: str, names: tuple[str, ...]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise SettingsError(f"{key}: letters, digits and _ only; given: {name!r}")
        if names.count(name) > 1:
            raise SettingsError(f"{key}: {name} is there twice, and both would write to one folder")


def read_configuration(content: Mapping[str, Any], environment: Mapping[str, str], base: Path | None) -> Configuration:
    """Check the content of a config.yaml and return it with all folders absolute.

    Args:
        content: the parsed file. A value of null is as good as none.
        environment: variables; nnUNet_raw and nnUNet_preprocessed stand in for `raw` and `preprocessed`.
        base: folder that relative paths start from; None where jobs have no folder in common, and they are an error.

    Raises:
        SettingsError: for a key that is unknown or missing, an empty list, a value of the wrong type or out of range.
    """
    given = {key: value for key, value in content.items() if value is not None}
    for key, variable in (("raw", RAW), ("preprocessed", PREPROCESSED)):
        if key not in given and variable in environment:
            given[key] = environment[variable]
    known = {item.name: item for item in fields(Configuration)}
    _require_known(given, tuple(known))
    required = [key for key, item in known.items() if item.default is MISSING and item.default_factory is MISSING]
    if missing := [key for key in required if key not in given]:
        hint = {"raw": f" (or set {RAW})", "preprocessed": f" (or set {PREPROCESSED})"}
        raise SettingsError("missing: " + ", ".join(key + hint.get(key, "") for key in missing))
    configuration = Configuration(**{key: checked_value(key, value, base) for key, value in given.items()})
    if OWN_TRAINERS not in {**environment, **configuration.environment}:  # else they may have any schedule
        require_stock_schedules(configuration.trainer_names)
    return configuration


def _require_known(given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, 1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise SettingsError(f"unknown: {key!r}.{meant} Known: {', '.join(known)}")
