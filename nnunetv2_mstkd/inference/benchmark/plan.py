"""What a benchmark is to score: which trainings on which cases with which subsets (L3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.benchmark.part import blocks_of_part
from nnunetv2_mstkd.benchmark.rows import known_trainings, settled
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase, RawDataset
from nnunetv2_mstkd.inference.benchmark.described_model import ModelDescription
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.training import Training
from nnunetv2_mstkd.inference.environment import refuse_variable
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.regions import ignore_label, regions_of


@dataclass(frozen=True)
class Plan:
    """What is to be scored.

    Args:
        facts: of the whole benchmark.
        subsets: in canonical order.
        work: each training with its cases, those of one fold together.
        problems: what stops cases before they are read.
    """

    facts: BenchmarkFacts
    subsets: tuple[ModalitySubset, ...]
    work: tuple[tuple[Training, tuple[BenchmarkCase, ...]], ...] = field(repr=False)
    problems: tuple[Problem, ...] = ()

    def part(self, part: int, parts: int) -> "Plan":
        """Return one of several parts, the same ones each time.

        Raises:
            BenchmarkError: if there is no such part.
        """
        counts = [len(cases) for _, cases in self.work]
        chosen = [
            (self.work[block.training][0], self.work[block.training][1][block.cases.start : block.cases.stop])
            for block in blocks_of_part(counts, part, parts)
        ]
        problems = self.problems if part == 0 else ()  # told once
        return Plan(self.facts, self.subsets, tuple(chosen), problems)


def refuse_masking() -> None:
    """Check that MSTKD_MODALITIES is not set.

    Raises:
        ModalityError: if it is.
    """
    refuse_variable("mstkd benchmark masks by itself; to score some of the subsets use --subsets")


def needs_of(model: ModelDescription) -> str | None:
    """Return the name of the subset that a dedicated model is for."""
    return None if model.needs is None else str(model.needs)


def facts_of(
    dataset: str,
    models: Sequence[ModelDescription],
    protocol: str,
    options: BenchmarkOptions,
    source: Mapping[str, str] | None = None,
) -> BenchmarkFacts:
    """Return what all models have in common.

    Args:
        dataset: name.
        models: to compare.
        protocol: "validation folds" or "test set".
        options: how.
        source: of a test set the folders of "images" and "labels".

    Raises:
        BenchmarkError: if they differ in channels or labels; the message shows both.
    """
    described = [_comparable(model.dataset_json) for model in models]
    for model, other in zip(models, described, strict=True):
        if other != described[0]:
            raise BenchmarkError(
                f"{models[0].folder} and {model.folder} differ: {described[0]} and {other}. Models of one benchmark "
                f"have the same channels and labels"
            )
    return BenchmarkFacts(
        dataset=dataset,
        modalities=models[0].modalities,
        regions=regions_of(models[0].dataset_json),
        ignore_label=ignore_label(models[0].dataset_json),
        tolerance_mm=options.tolerance_mm,
        lesion_wise=options.lesion_wise,
        protocol=protocol,
        step_size=options.step_size,
        mirroring=options.mirroring,
        source=source,
    )


def require_same_dataset(raw: RawDataset, model: ModelDescription) -> None:
    """Check that a raw dataset still has the channels and labels that a model was trained with.

    Raises:
        BenchmarkError: if not; the message shows both.
    """
    there, here = _comparable(model.dataset_json), _comparable(raw.dataset_json)
    if there != here:
        raise BenchmarkError(
            f"{model.folder} was trained with {there}, but the raw dataset {raw.folder} has {here}: its images would "
            f"reach the wrong channels, or its labels count as other regions. Export the nnUNet_raw that the model "
            f"was trained from"
        )


def _comparable(dataset_json: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "channels": list(Modalities.from_dataset_json(dataset_json)),
        "regions": {region.name: region.labels for region in regions_of(dataset_json)},
        "regions_class_order": dataset_json.get("regions_class_order"),  # the label that each region is written as
        "ignore label": ignore_label(dataset_json),
    }


def subsets_of(options: BenchmarkOptions, modalities: Modalities) -> tuple[ModalitySubset, ...]:
    """Return what is asked for, in canonical order.

    Raises:
        ModalityError: if a modality is unknown.
    """
    if options.subsets is None:
        return modalities.subsets()
    asked = {modalities.subset(text) for text in options.subsets}
    return tuple(subset for subset in modalities.subsets() if subset in asked)


def placed(trainings: Sequence[Training], output: Path) -> list[Training]:
    """Return trainings with the repeat and the row that they have in a benchmark folder, or the next free ones.

    Raises:
        BenchmarkError: if two trainings, given or in the folder, would be one prediction of the report.
    """
    found = settled([training.outline for training in trainings], known_trainings(output))
    return [
        replace(training, order=facts.order, repeat=facts.repeat)
        for training, facts in zip(trainings, found, strict=True)
    ]
