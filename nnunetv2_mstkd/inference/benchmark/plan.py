"""What a benchmark is to score: which trainings on which cases with which subsets (L3)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.benchmark.part import blocks_of_part
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.training import ModelDescription, Training
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


def needs_of(model: ModelDescription) -> str | None:
    """Return the name of the subset that a dedicated model is for."""
    return None if model.needs is None else str(model.needs)


def facts_of(
    dataset: str, models: Sequence[ModelDescription], protocol: str, options: BenchmarkOptions
) -> BenchmarkFacts:
    """Return what all models have in common.

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
    )


def _comparable(dataset_json: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "channels": list(Modalities.from_dataset_json(dataset_json)),
        "regions": {region.name: region.labels for region in regions_of(dataset_json)},
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


def require_own_places(trainings: Sequence[Training]) -> None:
    """Check that no two trainings would write the same records.

    Raises:
        BenchmarkError: if two would.
    """
    places = Counter(training.place for training in trainings)
    given = Counter((training.model.folder.resolve(), training.folds) for training in trainings)
    doubled = [
        training
        for training in trainings
        if places[training.place] > 1 or given[training.model.folder.resolve(), training.folds] > 1
    ]
    if doubled:
        folders = sorted({str(training.model.folder) for training in doubled})
        raise BenchmarkError(
            f"{doubled[0].name} is given twice ({', '.join(folders)}): give each model once, and different models "
            f"different titles, as in TITLE={doubled[0].model.folder}"
        )
