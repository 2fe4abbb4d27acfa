"""Cases that are read and preprocessed while the one before is predicted, and models that are in use (L3)."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.evaluation.label_reference import LabelReference
from nnunetv2_mstkd.inference.benchmark.case_preparation import ReadCase, require_known_labels
from nnunetv2_mstkd.inference.benchmark.jobs import Job
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.benchmark.training import Training


@dataclass
class ReadyCase:
    """A case as all its models take it.

    Args:
        case: without channels that are empty.
        inputs: image (M, *S) and nnU-Net's properties, by key of the preprocessing.
        references: by key of the reader.
        geometries: of the original grid, likewise.
        seconds: that it took.
    """

    case: Case
    inputs: dict[str, tuple[Tensor, dict[str, Any]]] = field(default_factory=dict, repr=False)
    references: dict[str, LabelReference] = field(default_factory=dict, repr=False)
    geometries: dict[str, Geometry] = field(default_factory=dict)
    seconds: float = 0.0


def make_ready(jobs: Sequence[Job], facts: BenchmarkFacts) -> ReadyCase:
    """Read and preprocess a case for all its jobs: once for all models that want it alike.

    Raises:
        CaseError: if images or reference cannot be used.
    """
    started = time.perf_counter()
    case, reads = jobs[0].case, dict[str, ReadCase]()
    ready = ReadyCase(case.case)
    for job in jobs:
        preprocessing = job.training.model.preprocessing
        reader, key = preprocessing.reader_key, preprocessing.key
        if reader not in reads:
            reads[reader] = read = preprocessing.read(case.case, case.reference)
            known = {0, *(label for region in facts.regions for label in region.labels)}
            known |= set() if facts.ignore_label is None else {facts.ignore_label}
            require_known_labels(read.labels, known, case.reference.name)
            ready.case, ready.geometries[reader] = read.case, read.geometry
            ready.references[reader] = LabelReference(
                read.labels,
                facts.regions,
                read.geometry.spacing,
                tolerance_mm=facts.tolerance_mm,
                lesion_wise=facts.lesion_wise,
                ignore_label=facts.ignore_label,
            )
        if key not in ready.inputs:
            ready.inputs[key] = preprocessing.prepare(reads[reader])
    ready.seconds = time.perf_counter() - started
    return ready


class CaseStock:
    """Has the next case made ready in the background.

    Args:
        cases: the jobs of each case, in order.
        facts: of the benchmark.
    """

    def __init__(self, cases: Sequence[Sequence[Job]], facts: BenchmarkFacts) -> None:
        self._cases = cases
        self._facts = facts
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[ReadyCase]] | None = None

    def take(self, index: int) -> ReadyCase:
        """Return a case, and start on the one after it.

        Raises:
            Exception: whatever stopped it.
        """
        future = self._next[1] if self._next and self._next[0] == index else self._start(index)
        try:
            return future.result()
        finally:
            # not earlier: two cases are held at most
            self._next = (index + 1, self._start(index + 1)) if index + 1 < len(self._cases) else None

    def _start(self, index: int) -> "Future[ReadyCase]":
        return self._pool.submit(make_ready, self._cases[index], self._facts)

    def close(self) -> None:
        """Stop; what is under way is thrown away."""
        self._pool.shutdown(cancel_futures=True)


class ModelStock:
    """Holds models from their first case to their last.

    Args:
        cases: the jobs of each case.
        load: makes a training ready to predict.
    """

    def __init__(self, cases: Sequence[Sequence[Job]], load: Callable[[Training], SubsetPredictor]) -> None:
        self._left = Counter(job.training for jobs in cases for job in jobs)
        self._load = load
        self._loaded: dict[Training, SubsetPredictor] = {}

    def take(self, training: Training) -> SubsetPredictor:
        """Return a model; it is loaded when it is needed first."""
        if training not in self._loaded:
            self._loaded[training] = self._load(training)
        return self._loaded[training]

    def give_back(self, training: Training) -> None:
        """Note that a job is over; after a training's last one its model is let go."""
        self._left[training] -= 1
        if not self._left[training]:
            self._loaded.pop(training, None)
