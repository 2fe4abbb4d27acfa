"""The trainings that a benchmark compares, described without loading their weights (L3)."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.errors import BenchmarkError, ModelFolderError
from nnunetv2_mstkd.inference.benchmark.case_preparation import Preprocessing
from nnunetv2_mstkd.inference.model_folder import (
    damage_told,
    find_trainer,
    needed_subset,
    read_description,
    require_entries,
)
from nnunetv2_mstkd.inference.run_record import versions
from nnunetv2_mstkd.inference.safe_checkpoint import CONFIGURATION, INIT_ARGS, TRAINER_NAME, load_checkpoint
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.trainers.subset_trainer import SubsetTrainer


@dataclass(frozen=True)
class ModelDescription:
    """What a model folder says, but for the weights.

    Args:
        folder: `<trainer>__<plans>__<configuration>`.
        checkpoint: name of the checkpoint files.
        trainer: class name.
        configuration: such as 3d_fullres.
        plans: content of plans.json.
        dataset_json: likewise.
        needs: the subset of a dedicated model; None for any other.
        handles_missing: whether it was trained for missing modalities.
    """

    folder: Path
    checkpoint: str
    trainer: str
    configuration: str
    plans: dict[str, Any] = field(repr=False)
    dataset_json: dict[str, Any] = field(repr=False)
    needs: ModalitySubset | None
    handles_missing: bool

    @property
    def modalities(self) -> Modalities:
        """The channels."""
        return Modalities.from_dataset_json(self.dataset_json)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """What a case has to go through.

        Raises:
            ModelFolderError: if the plans are damaged.
        """
        with damage_told(self.folder):
            return Preprocessing(self.plans, self.configuration, self.dataset_json)

    def scores_on(self, subset: ModalitySubset) -> bool:
        """Return whether the model is scored on a subset: a dedicated one is on its own alone."""
        return self.needs is None or subset == self.needs


def describe_model(folder: Path, folds: Sequence[str], checkpoint: str, *, trust_checkpoint: bool) -> ModelDescription:
    """Read a model folder.

    Args:
        folder: of the model.
        folds: that have the checkpoint.
        checkpoint: name of the checkpoint files.
        trust_checkpoint: also take models that could execute code.

    Raises:
        ModelFolderError, CheckpointError: if something is missing or damaged.
        UntrustedPlansError, UntrustedCheckpointError: if the model could execute code; not with `trust_checkpoint`.
        BenchmarkError: if it is the second stage of a cascade.
    """
    plans, dataset_json = read_description(folder, trust=trust_checkpoint)
    trainer_name, configuration = _names(folder, folds, checkpoint, trust_checkpoint)
    if configuration not in plans.get("configurations", {}):
        raise ModelFolderError(f"{folder / 'plans.json'} has no configuration {configuration!r}")
    if plans["configurations"][configuration].get("previous_stage") is not None:
        raise BenchmarkError(
            f"{folder.name} is the second stage of a cascade: it needs the labels of the first stage for every subset. "
            f"Benchmark the first stage, or a configuration that is no cascade"
        )
    trainer = find_trainer(trainer_name)
    described = ModelDescription(
        folder=folder,
        checkpoint=checkpoint,
        trainer=trainer_name,
        configuration=configuration,
        plans=plans,
        dataset_json=dataset_json,
        needs=needed_subset(trainer, plans, Modalities.from_dataset_json(dataset_json)),
        handles_missing=issubclass(trainer, SubsetTrainer),
    )
    with damage_told(folder):  # before any case is read
        manager = PlansManager(plans)
        require_entries(manager, manager.get_configuration(configuration), dataset_json)
        _ = described.preprocessing
    return described


def _names(folder: Path, folds: Sequence[str], checkpoint: str, trust: bool) -> tuple[str, str]:
    """Return trainer and configuration: as nnU-Net names the folder, else as a checkpoint has them."""
    parts = folder.resolve().name.split("__")
    if len(parts) == 3:
        return parts[0], parts[2]
    content = load_checkpoint(folder / f"fold_{folds[0]}" / checkpoint, trust=trust)
    return str(content[TRAINER_NAME]), str(content[INIT_ARGS][CONFIGURATION])


@dataclass(frozen=True, eq=False)
class Training:
    """A model folder with the folds that predict together: one fold on its validation cases, or an ensemble.

    Args:
        title: of the model.
        order: of its row in the report.
        repeat: number, from 0.
        folds: as in the folders' names.
        model: what it is.
        inference: how it is applied.
        cases: names of all that it is to predict.
    """

    title: str
    order: int
    repeat: int
    folds: tuple[str, ...]
    model: ModelDescription = field(repr=False)
    inference: Mapping[str, Any] = field(repr=False)
    cases: tuple[str, ...] = field(repr=False)

    @cached_property
    def weights_sha256(self) -> dict[str, str]:
        """Of the checkpoint files, by fold."""
        return {name: sha256_of(self.model.folder / f"fold_{name}" / self.model.checkpoint) for name in self.folds}

    @cached_property
    def plans_sha256(self) -> str:
        """Of plans.json."""
        return sha256_of(self.model.folder / "plans.json")

    @cached_property
    def dataset_json_sha256(self) -> str:
        """Of dataset.json."""
        return sha256_of(self.model.folder / "dataset.json")

    @property
    def identity(self) -> dict[str, Any]:
        """What scores depend on, of a training: that of its facts, once they are written."""
        return {key: getattr(self, key) for key in _NO_FACTS.identity}

    @property
    def name(self) -> str:
        """The training in a few words."""
        return self.outline.name

    @cached_property
    def place(self) -> Path:
        """Where its records and predictions lie."""
        return self.outline.place

    @cached_property
    def outline(self) -> TrainingFacts:
        """What training.json says, as far as it is known without checkpoints; the rest is empty."""
        return self.updated(_NO_FACTS)

    def facts(self, parameters: int) -> TrainingFacts:
        """Return what training.json says, given the number of the network's parameters."""
        device = torch.device(str(self.inference["device"]))
        return replace(
            self.outline,
            **self.identity,
            parameters=parameters,
            inference=dict(self.inference),
            versions=versions(),
            hardware=hardware(device),
        )

    def updated(self, facts: TrainingFacts) -> TrainingFacts:
        """Return a training.json that is there with what the plan says now: title, order, repeat, cases, model."""
        model = self.model
        return replace(
            facts,
            title=self.title,
            order=self.order,
            repeat=self.repeat,
            folds=self.folds,
            folder=str(model.folder.resolve()),
            trainer=model.trainer,
            plans=str(model.plans["plans_name"]),
            configuration=model.configuration,
            checkpoint=model.checkpoint,
            trained_for_missing_modalities=model.handles_missing,
            needs=None if model.needs is None else str(model.needs),
            cases=self.cases,
        )


_NO_FACTS = TrainingFacts("", 0, 0, (), "", "", "", "", "", {}, "", "", False, None, 0, {}, {}, {}, ())


def hardware(device: torch.device) -> dict[str, Any]:
    """Return what a benchmark runs on."""
    facts: dict[str, Any] = {"machine": platform.machine(), "cpu": _cpu_name(), "cores": os.cpu_count()}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def _cpu_name() -> str:
    try:  # where there is no such file, Python's answer is the best there is
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
