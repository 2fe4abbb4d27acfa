"""Cases that are read and preprocessed while the one before is predicted, and models that are in use (L3)."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.inference.benchmark.jobs import Job
from nnunetv2_mstkd.inference.benchmark.ready_case import ReadyCase, make_ready
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.benchmark.training import Training


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
        """Return a case, and start on the one after it."""
        ready = (self._next[1] if self._next and self._next[0] == index else self._start(index)).result()
        # not earlier: two cases are held at most
        self._next = (index + 1, self._start(index + 1)) if index + 1 < len(self._cases) else None
        return ready

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
