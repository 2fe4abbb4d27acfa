"""Cases through their models: read, predicted and scored in three stages that overlap (L3)."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.benchmark.identity import shown_by
from nnunetv2_mstkd.cases.problem import printable
from nnunetv2_mstkd.errors import OutputError
from nnunetv2_mstkd.inference.benchmark.job_writer import JobWriter
from nnunetv2_mstkd.inference.benchmark.jobs import Job
from nnunetv2_mstkd.inference.benchmark.ready_case import ReadyCase, ReadyInput, told
from nnunetv2_mstkd.inference.benchmark.stock import CaseStock, ModelStock
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor, is_out_of_memory
from nnunetv2_mstkd.inference.benchmark.training import Training
from nnunetv2_mstkd.inference.pipeline import overlapped
from nnunetv2_mstkd.modalities import ModalitySubset


@dataclass(frozen=True)
class Portion:
    """Subsets of a job that share a forward pass.

    Args:
        job: what it is a part of.
        ready: the case.
        predictor: the model.
        subsets: that are predicted together.
        is_last: whether the job ends with it.
    """

    job: Job
    ready: ReadyInput = field(repr=False)
    predictor: SubsetPredictor = field(repr=False)
    subsets: tuple[ModalitySubset, ...]
    is_last: bool


class PredictionLoop:
    """Predicts and scores jobs.

    Args:
        cases: the jobs of each case, in order.
        facts: of the benchmark.
        load: makes a training ready to predict.
        writer: of what is found.
        say: takes a line for people.
    """

    def __init__(
        self,
        cases: Sequence[Sequence[Job]],
        facts: BenchmarkFacts,
        load: Callable[[Training], SubsetPredictor],
        writer: JobWriter,
        say: Callable[[str], None],
    ) -> None:
        self._cases = cases
        self._facts = facts
        self._models = ModelStock(cases, load)
        self._writer = writer
        self._say = say
        self._ended: deque[Job] = deque()
        self._lock = threading.Lock()

    def ended_jobs(self) -> Iterator[Job]:
        """Yield each job once, when it is finished or given up.

        Raises:
            OutputError: if what is found cannot be written.
            MSTKDError: if a model cannot be loaded.
        """
        stock = CaseStock(self._cases, self._facts)
        portions = overlapped(self._portions(stock), lambda portion: portion, self._compute, self._finish, preparing=0)
        with contextlib.closing(stock), contextlib.closing(portions):  # what is computed is written before an error
            for _, outcome in portions:
                outcome.result()  # an output that cannot be written stops all
                yield from self._drained()
            yield from self._drained()

    def _drained(self) -> Iterator[Job]:
        while self._ended:
            yield self._ended.popleft()

    def _end(self, job: Job, failure: str = "", note: str = "") -> None:
        """Note that a job is over; only the first time counts. Called by two threads."""
        with self._lock:
            if job.ended:
                return
            job.ended, job.failure, job.note = True, failure, note
            self._models.give_back(job.training)
            self._ended.append(job)

    # the stages of a portion ----------------------------------------------------------------------------------------

    def _portions(self, stock: CaseStock) -> Iterator[Portion]:
        for index, jobs in enumerate(self._cases):
            ready = stock.take(index)
            for warning in ready.warnings:
                self._say(f"  {printable(f'{jobs[0].case.name}: {warning}')}")
            jobs[0].seconds["prepare"] = ready.seconds
            for job in jobs:
                yield from self._portions_of(job, ready)

    def _portions_of(self, job: Job, case: ReadyCase) -> Iterator[Portion]:
        key = job.training.model.preprocessing.key
        if key in case.failures:
            self._end(job, case.failures[key])
            return
        ready = case.inputs[key]
        self._writer.recall(job)
        names = ready.scene.case.subset(self._facts.modalities).names
        job.predicted = shown_by(names, job.subsets)
        if not job.predicted:
            self._end(job, note=f"has {'+'.join(names)} alone, which shows none of the subsets")
            return
        predictor = self._models.take(job.training)
        chunks = list(predictor.chunks(job.predicted, ready.image.shape[1:]))
        for number, chunk in enumerate(chunks, 1):
            if job.ended:  # something went wrong with the portion before
                return
            yield Portion(job, ready, predictor, chunk, is_last=number == len(chunks))

    def _compute(self, portion: Portion) -> tuple[Portion, Tensor | None]:
        job = portion.job
        if job.ended:
            return portion, None
        started = time.perf_counter()
        try:
            logits = portion.predictor.predict_logits(portion.ready.image, portion.subsets)
        except Exception as error:  # as a GPU without memory; other cases may be smaller
            hint = ", even for one subset at a time" if is_out_of_memory(error) else ""
            self._end(job, told(error) + hint)
            return portion, None
        job.engines.add(portion.predictor.engine)
        job.seconds["forward"] += time.perf_counter() - started
        return portion, logits

    def _finish(self, computed: tuple[Portion, Tensor | None]) -> None:
        portion, logits = computed
        job = portion.job
        if logits is None or job.ended:
            return
        try:
            started = time.perf_counter()
            for subset, own in zip(portion.subsets, logits, strict=True):
                self._writer.score(job, portion.ready, subset, portion.predictor.finish(own, portion.ready.properties))
            job.seconds["score"] += time.perf_counter() - started
            if portion.is_last:
                self._writer.write(job, portion.ready)
                self._end(job)
        except OSError as error:  # OutputError is one, too; nothing is read here
            raise OutputError(f"{self._writer.output} cannot be written: {error}. Finished cases are whole") from error
        except Exception as error:  # of this case; the others go on
            self._end(job, told(error))
