"""Run a benchmark: every case under every subset through every model, scored in memory (L3)."""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from nnunetv2_mstkd.benchmark.identity import shown_by
from nnunetv2_mstkd.benchmark.preview import Preview, preview_stride, sampled
from nnunetv2_mstkd.benchmark.progress import Estimate
from nnunetv2_mstkd.benchmark.record import CaseRecord, case_files
from nnunetv2_mstkd.benchmark.training_facts import PREDICTIONS, TRAINING_FILE, TrainingFacts
from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.errors import BenchmarkError, CaseError, MSTKDError, OutputError
from nnunetv2_mstkd.evaluation.metrics import metric_value
from nnunetv2_mstkd.inference.benchmark.jobs import Job, Jobs
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import Plan
from nnunetv2_mstkd.inference.benchmark.stock import CaseStock, ModelStock, ReadyCase
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.benchmark.training import Training
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.inference.pipeline import overlapped
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.run_record import now
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
    ready: ReadyCase = field(repr=False)
    predictor: SubsetPredictor = field(repr=False)
    subsets: tuple[ModalitySubset, ...]
    is_last: bool


class BenchmarkRun:
    """One call of `mstkd benchmark`.

    Args:
        plan: what is to be scored.
        output: folder of the benchmark; is made.
        options: how.
        say: takes a line for people.
    """

    def __init__(self, plan: Plan, output: Path, options: BenchmarkOptions, say: Callable[[str], None] = print) -> None:
        self._plan = plan
        self._output = output
        self._options = options
        self._say = say
        self._jobs = Jobs(plan, output, options)
        self._failures: list[Problem] = []
        self._models = ModelStock([], self._load)
        self._ended: deque[Job] = deque()
        self._lock = threading.Lock()

    def run(self) -> list[Problem]:
        """Predict and score what is left; return the cases that could not be.

        Raises:
            BenchmarkError: if the folder holds another benchmark.
            OutputError: if records cannot be written. What was finished stays.
            MSTKDError: if a model cannot be loaded; likewise.
        """
        self._failures = list(self._plan.problems)
        for problem in self._failures:
            self._say(f"  {problem}")
        self._plan.facts.write(self._output)
        cases, changed = self._jobs.left()
        self._tell(cases, changed)
        if any(cases):
            self._predict(cases)
        for training, _ in self._plan.work:
            self._complete(training)
        return self._failures

    def _tell(self, cases: Sequence[Sequence[Job]], changed: Counter[str]) -> None:
        total = sum(len(cases) for _, cases in self._plan.work)
        left = sum(len(jobs) for jobs in cases)
        models = len({training.title for training, _ in self._plan.work})
        self._say(
            f"{models} model{'s' if models != 1 else ''}, {len(self._plan.subsets)} subsets, {total} predictions of "
            f"cases, {total - left} of them done before; on {self._options.device}"
        )
        for what, count in changed.items():
            self._say(f"  {what}: {count} case{'s' if count != 1 else ''} computed anew")

    # the loop -------------------------------------------------------------------------------------------------------

    def _predict(self, cases: Sequence[Sequence[Job]]) -> None:
        jobs = [job for of_case in cases for job in of_case]
        planned: Counter[str] = Counter()
        for job in jobs:
            planned[job.training.name] += len(job.subsets)
        estimate, last = Estimate(dict(planned)), time.perf_counter()
        for done, job in enumerate(self._ended_jobs(cases), 1):
            elapsed, last = time.perf_counter() - last, time.perf_counter()
            label = f"[{done}/{len(jobs)}] {job.case.name} {job.training.name}"
            if job.error is not None:
                estimate.skip(job.training.name, len(job.subsets))
                message = _told(job.error)
                self._failures.append(Problem(job.case.name, f"{job.training.name}: {message}"))
                self._say(printable(f"{label} FAILED: {message}"))
                continue
            estimate.add(job.training.name, len(job.subsets), elapsed)
            self._say(printable("; ".join(filter(None, [f"{label}: {self._line(job)}", estimate.text()]))))

    def _line(self, job: Job) -> str:
        region = self._plan.facts.regions[0]
        dice = [metric_value(job.scores[str(subset)][region.name], "dice") for subset in job.predicted]
        plural = "s" if len(dice) != 1 else ""
        return (
            f"{len(dice)} subset{plural}, {sum(job.seconds.values()):.1f} s (mean Dice {region.short} "
            f"{sum(dice) / max(1, len(dice)):.2f})"
        )

    def _ended_jobs(self, cases: Sequence[Sequence[Job]]) -> Iterator[Job]:
        """Yield each job once, when it is finished or given up."""
        stock = CaseStock(cases, self._plan.facts)
        self._models = ModelStock(cases, self._load)
        portions = overlapped(
            self._portions(cases, stock), lambda portion: portion, self._compute, self._finish, preparing=0
        )
        with contextlib.closing(stock), contextlib.closing(portions):  # what is computed is written before an error
            for _, outcome in portions:
                outcome.result()  # an output that cannot be written stops all
                yield from self._drained()
            yield from self._drained()

    def _drained(self) -> Iterator[Job]:
        while self._ended:
            yield self._ended.popleft()

    def _end(self, job: Job, error: BaseException | None = None) -> None:
        """Note that a job is over; only the first time counts. Called by two threads."""
        with self._lock:
            if job.ended:
                return
            job.ended, job.error = True, error
            self._models.give_back(job.training)
            self._ended.append(job)

    # the stages of a portion ----------------------------------------------------------------------------------------

    def _portions(self, cases: Sequence[Sequence[Job]], stock: CaseStock) -> Iterator[Portion]:
        for index, jobs in enumerate(cases):
            try:
                ready = stock.take(index)
            except Exception as error:  # whatever stopped it is the case's own
                for job in jobs:
                    self._end(job, error)
                continue
            jobs[0].seconds["prepare"] = ready.seconds
            for job in jobs:
                yield from self._portions_of(job, ready)

    def _portions_of(self, job: Job, ready: ReadyCase) -> Iterator[Portion]:
        names = ready.case.subset(self._plan.facts.modalities).names
        job.predicted = shown_by(names, self._plan.facts.modalities, job.subsets)
        if not job.predicted:
            self._end(job, CaseError(f"has {'+'.join(names)} alone, which none of the subsets fits"))
            return
        predictor = self._models.take(job.training)
        image = ready.inputs[job.training.model.preprocessing.key][0]
        chunks = list(predictor.chunks(job.predicted, image.shape[1:]))
        for number, chunk in enumerate(chunks, 1):
            if job.ended:  # something went wrong with the portion before
                return
            yield Portion(job, ready, predictor, chunk, is_last=number == len(chunks))

    def _compute(self, portion: Portion) -> tuple[Portion, Tensor | None]:
        job = portion.job
        if job.ended:
            return portion, None
        started = time.perf_counter()
        image = portion.ready.inputs[job.training.model.preprocessing.key][0]
        try:
            logits = portion.predictor.predict_logits(image, portion.subsets)
        except Exception as error:  # as a GPU without memory; other cases may be smaller
            self._end(job, error)
            return portion, None
        job.seconds["forward"] += time.perf_counter() - started
        return portion, logits

    def _finish(self, computed: tuple[Portion, Tensor | None]) -> None:
        portion, logits = computed
        if logits is None or portion.job.ended:
            return
        try:
            started = time.perf_counter()
            for subset, own in zip(portion.subsets, logits, strict=True):
                self._score(portion, subset, own)
            portion.job.seconds["score"] += time.perf_counter() - started
            if portion.is_last:
                self._write(portion)
                self._end(portion.job)
        except OSError as error:  # OutputError is one, too
            raise OutputError(f"{self._output} cannot be written: {error}. Finished cases are whole") from error
        except Exception as error:  # of this case; the others go on
            self._end(portion.job, error)

    def _score(self, portion: Portion, subset: ModalitySubset, logits: Tensor) -> None:
        job, ready, preprocessing = portion.job, portion.ready, portion.job.training.model.preprocessing
        properties = ready.inputs[preprocessing.key][1]
        labels = portion.predictor.finish(logits, properties)
        job.scores[str(subset)] = ready.references[preprocessing.reader_key].compare(labels)
        stride = preview_stride(ready.geometries[preprocessing.reader_key].spacing)
        job.previews[str(subset)] = sampled(labels, stride)
        if self._options.keep_predictions:
            folder = self._output / PREDICTIONS / job.training.place / str(subset)
            folder.mkdir(parents=True, exist_ok=True)
            prediction = Prediction(labels, None, subset, (), None, properties, preprocessing.reader)
            prediction.save(folder / f"{job.case.name}{portion.predictor.model.file_ending}")

    def _write(self, portion: Portion) -> None:
        """Write preview and record, the record last: a case that has one is finished."""
        job, facts = portion.job, self._plan.facts
        records, case = self._jobs.records(job.training), portion.ready.case
        geometry = portion.ready.geometries[job.training.model.preprocessing.reader_key]
        found = {**(job.kept.scores if job.kept else {}), **job.scores}
        scores = {str(subset): found[str(subset)] for subset in facts.modalities.subsets() if str(subset) in found}
        maps = np.stack([job.previews[subset] for subset in scores])
        Preview(tuple(scores), maps, preview_stride(geometry.spacing)).write(records, job.case.name)
        CaseRecord(
            case=job.case.name,
            identity=self._jobs.identity(job.training, job.case),
            finished=now(),
            seconds={step: round(seconds, 3) for step, seconds in job.seconds.items()},
            images={facts.modalities.names[c]: str(s.file.resolve()) for c, s in case.sources.items()},
            reference=str(job.case.reference.resolve()),
            spacing_mm=geometry.spacing,
            shape=geometry.shape,
            scores=scores,
        ).write(records)

    # models ---------------------------------------------------------------------------------------------------------

    def _load(self, training: Training) -> SubsetPredictor:
        """Load a training, and tell of it in its folder."""
        described, options = training.model, self._options
        trust = options.trust_checkpoint
        model = load_model(described.folder, training.folds, described.checkpoint, trust_checkpoint=trust)
        if (model.trainer_name, model.configuration_name) != (described.trainer, described.configuration):
            raise BenchmarkError(
                f"{described.folder} is named after {described.trainer} and {described.configuration}, but its "
                f"checkpoints are of {model.trainer_name} and {model.configuration_name}: rename the folder"
            )
        if model.weights_sha256 != training.weights_sha256:
            raise BenchmarkError(f"The checkpoints in {described.folder} were changed just now: give the command again")
        parameters = sum(parameter.numel() for parameter in model.network.parameters())
        self._jobs.remove_outdated(training)
        training.facts(parameters).write(self._output)
        return SubsetPredictor(
            model,
            options.device,
            step_size=options.step_size,
            mirroring=options.mirroring,
            subsets_per_forward=options.subsets_per_forward,
        )

    def _complete(self, training: Training) -> None:
        """Write what is known of a training that has records, and lost or outlived what told of it."""
        records = self._jobs.records(training)
        if not any(case_files(records)):
            return
        try:
            there = TrainingFacts.read(records / TRAINING_FILE)
        except BenchmarkError:
            self._load(training)
            return
        if (there.title, there.order) != (training.title, training.order):
            replace(there, title=training.title, order=training.order).write(self._output)


def _told(error: BaseException) -> str:
    text = str(error) if isinstance(error, MSTKDError) else f"{type(error).__name__}: {error}"
    hint = ". Less memory is needed with --subsets-per-forward 1" if "out of memory" in text.lower() else ""
    return text + hint
