"""The trainings that a benchmark compares, and what it writes of each (L3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.inference.benchmark.described_model import ModelDescription
from nnunetv2_mstkd.inference.benchmark.hardware import hardware
from nnunetv2_mstkd.inference.model_files import DATASET_FILE, PLANS_FILE, checkpoint_file
from nnunetv2_mstkd.inference.run_facts import versions


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
        model = self.model
        return {name: sha256_of(checkpoint_file(model.folder, name, model.checkpoint)) for name in self.folds}

    @cached_property
    def plans_sha256(self) -> str:
        """Of plans.json."""
        return sha256_of(self.model.folder / PLANS_FILE)

    @cached_property
    def dataset_json_sha256(self) -> str:
        """Of dataset.json."""
        return sha256_of(self.model.folder / DATASET_FILE)

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
