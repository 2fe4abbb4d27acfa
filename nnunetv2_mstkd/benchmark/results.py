"""All records of a benchmark folder as one array (L2)."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.benchmark.facts_array import Scored, facts_array
from nnunetv2_mstkd.benchmark.identity import changes
from nnunetv2_mstkd.benchmark.record import CaseRecord, case_files
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.metrics import metric_value
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.regions import Region


@dataclass(frozen=True)
class ModelFacts:
    """A row of the report.

    Args:
        title: of the model.
        trainings: of it, by repeat and folds.
    """

    title: str
    trainings: tuple[TrainingFacts, ...]

    @property
    def is_dedicated(self) -> bool:
        """Whether it is made of models for one subset each."""
        return any(training.needs is not None for training in self.trainings)

    @property
    def trained_for_missing(self) -> bool:
        """Whether it was trained for missing modalities."""
        return any(training.trained_for_missing_modalities for training in self.trainings)


@dataclass(frozen=True)
class Results:
    """What a benchmark has found so far.

    Args:
        folder: of the benchmark.
        benchmark: what all records have in common.
        models: in the order of the report.
        cases: names of the patients, sorted.
        subsets: names of those that any model was scored on, in canonical order.
        repeats: their numbers, ascending.
        records: every case of every training, in the order of the models.
        facts: MaskFacts or None, (models, repeats, subsets, regions, cases). The folds of a repeat are pooled; with
            validation folds each case was predicted by the training that had not seen it.
        passed_over: files of records that are none of these results: of other weights or plans than training.json
            tells of, or of cases that are no longer to be predicted.
    """

    folder: Path
    benchmark: BenchmarkFacts
    models: tuple[ModelFacts, ...]
    cases: tuple[str, ...]
    subsets: tuple[str, ...]
    repeats: tuple[int, ...]
    records: tuple[Scored, ...] = field(repr=False)
    facts: NDArray[np.object_] = field(repr=False)
    passed_over: tuple[Path, ...] = ()

    @property
    def modalities(self) -> Modalities:
        """Of the dataset."""
        return self.benchmark.modalities

    @property
    def regions(self) -> tuple[Region, ...]:
        """What is scored."""
        return self.benchmark.regions

    @property
    def titles(self) -> tuple[str, ...]:
        """Of the models."""
        return tuple(model.title for model in self.models)

    def values_by_repeat(self, metric: str, policy: str = "brats") -> NDArray[np.float64]:
        """Return a metric: float (models, repeats, subsets, regions, cases); NaN where not scored or undefined."""
        facts: list[MaskFacts | None] = self.facts.ravel().tolist()
        values = [np.nan if fact is None else metric_value(fact, metric, policy) for fact in facts]
        return np.array(values).reshape(self.facts.shape)

    def values(self, metric: str, policy: str = "brats") -> NDArray[np.float64]:
        """Return a metric: float (models, subsets, regions, cases), each the mean over the repeats that have it."""
        return nanmean(self.values_by_repeat(metric, policy), axis=1)


def read_results(folder: Path) -> Results:
    """Read a benchmark folder, finished or not.

    Raises:
        BenchmarkError: if it holds no finished case, a file is damaged, or two records are of the same prediction.
    """
    benchmark = BenchmarkFacts.read(folder)
    scored: list[Scored] = []
    passed_over: list[Path] = []
    for training, records in ((TrainingFacts.read(file), file.parent) for file in training_files(folder)):
        for file in case_files(records):
            record = CaseRecord.read(file)
            if record.case in training.cases and not changes(record.identity, training.identity):
                scored.append(Scored(training, record, records))
            else:
                passed_over.append(file)
    if not scored:
        outdated = f" but {len(passed_over)} of other models or cases" if passed_over else ""
        raise BenchmarkError(f"{folder} holds no finished case{outdated}: run mstkd benchmark -o {folder} first")
    models = _models([each.training for each in scored])
    order = {model.title: i for i, model in enumerate(models)}
    scored.sort(key=lambda each: order[each.training.title])
    found = {subset for each in scored for subset in each.record.scores}
    subsets = tuple(str(subset) for subset in benchmark.modalities.subsets() if str(subset) in found)
    cases = tuple(sorted({each.record.case for each in scored}))
    repeats = tuple(sorted({each.training.repeat for each in scored}))
    axes = [tuple(order), repeats, subsets, tuple(region.name for region in benchmark.regions), cases]
    facts = facts_array(scored, axes)
    return Results(folder, benchmark, models, cases, subsets, repeats, tuple(scored), facts, tuple(passed_over))


def nanmean(values: NDArray[np.float64], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    """Return the mean of what is there; NaN, without a warning, where nothing is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=axis))


def _models(trainings: Sequence[TrainingFacts]) -> tuple[ModelFacts, ...]:
    """Return the models by the order that they were given in; equal places are sorted by title."""
    by_title: dict[str, dict[Path, TrainingFacts]] = {}
    for training in trainings:
        by_title.setdefault(training.title, {})[training.place] = training
    models = [
        ModelFacts(title, tuple(sorted(of_title.values(), key=lambda t: (t.repeat, t.fold_name, t.folder))))
        for title, of_title in by_title.items()
    ]
    return tuple(sorted(models, key=lambda model: (min(t.order for t in model.trainings), model.title)))
