"""Run a benchmark: every case under every subset through every model, scored in memory (L3)."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from nnunetv2_mstkd.benchmark.progress import Estimate
from nnunetv2_mstkd.benchmark.record import case_files
from nnunetv2_mstkd.benchmark.training_facts import RECORDS, TRAINING_FILE, TrainingFacts
from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.evaluation.metrics import metric_value
from nnunetv2_mstkd.inference.benchmark.hardware import hardware
from nnunetv2_mstkd.inference.benchmark.job_writer import JobWriter
from nnunetv2_mstkd.inference.benchmark.jobs import Job, Jobs
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import Plan
from nnunetv2_mstkd.inference.benchmark.prediction_loop import PredictionLoop
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.benchmark.training import Training
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.inference.run_facts import versions


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
        self._failures = list(plan.problems)

    def run(self) -> list[Problem]:
        """Predict and score what is left; return the cases that could not be.

        Raises:
            BenchmarkError: if the folder holds another benchmark.
            OutputError: if records cannot be written. What was finished stays.
            MSTKDError: if a model cannot be loaded; likewise.
        """
        for problem in self._failures:
            self._say(f"  {problem}")
        self._plan.facts.write(self._output)
        if (self._output / RECORDS).is_dir():  # reading what changed takes its time
            self._say(f"Comparing models and files with the records in {self._output}")
        cases, changed = self._jobs.left()
        self._tell(cases, changed)
        if cases:
            self._predict(cases)
        for training, _ in self._plan.work:
            self._complete(training)
        return self._failures

    def _tell(self, cases: Sequence[Sequence[Job]], changed: Counter[str]) -> None:
        total = sum(len(cases) for _, cases in self._plan.work)
        left = sum(len(jobs) for jobs in cases)
        models, subsets = len({training.title for training, _ in self._plan.work}), len(self._plan.subsets)
        self._say(
            f"{models} model{'s' if models != 1 else ''}, {subsets} subset{'s' if subsets != 1 else ''}, {total} "
            f"predictions of cases, {total - left} of them done before; on {self._options.device}"
        )
        for what, count in changed.items():
            self._say(f"  {what}: {count} case{'s' if count != 1 else ''} computed anew")

    def _predict(self, cases: Sequence[Sequence[Job]]) -> None:
        """Predict all jobs, and tell of each."""
        jobs = [job for of_case in cases for job in of_case]
        counts = {job: len(job.subsets) for job in jobs}
        planned: Counter[str] = Counter()
        for job, count in counts.items():
            planned[job.training.name] += count
        loop = PredictionLoop(cases, self._plan.facts, self._load, self._writer(), self._say)
        estimate, last = Estimate(dict(planned)), time.perf_counter()
        for done, job in enumerate(loop.ended_jobs(), 1):
            elapsed, last = time.perf_counter() - last, time.perf_counter()
            label = f"[{done}/{len(jobs)}] {job.case.name} {job.training.name}"
            self._say(printable(f"{label}{self._outcome(job, counts[job], estimate, elapsed)}"))
            job.let_go()

    def _writer(self) -> JobWriter:
        run = {
            "device": str(self._options.device),
            "versions": versions(),
            "hardware": hardware(self._options.device),
        }
        keeps = self._options.keep_predictions
        return JobWriter(self._output, self._jobs, self._plan.facts, run, keeps_predictions=keeps)

    def _outcome(self, job: Job, planned: int, estimate: Estimate, elapsed: float) -> str:
        """Note what became of a job with so many subsets, and return it in words."""
        if job.failure or job.note:
            estimate.skip(job.training.name, planned)
        if job.failure:
            self._failures.append(Problem(job.case.name, f"{job.training.name}: {job.failure}"))
            return f" FAILED: {job.failure}"
        if job.note:
            return f": left out: {job.note}"
        estimate.add(job.training.name, planned, elapsed)
        return "; ".join(filter(None, [f": {self._line(job)}", estimate.text()]))

    def _line(self, job: Job) -> str:
        region = self._plan.facts.regions[0]
        dice = [metric_value(job.scores[str(subset)][region.name], "dice") for subset in job.predicted]
        plural = "s" if len(dice) != 1 else ""
        return (
            f"{len(dice)} subset{plural}, {sum(job.seconds.values()):.1f} s (mean Dice {region.short} "
            f"{sum(dice) / max(1, len(dice)):.2f})"
        )

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
        # records of other weights are none of this training from now on; they are written over one by one
        training.facts(parameters).write(self._output)
        return SubsetPredictor(
            model,
            options.device,
            engine=options.engine,
            step_size=options.step_size,
            mirroring=options.mirroring,
            subsets_per_forward=options.subsets_per_forward,
            warn=lambda line: self._say(f"  warning: {training.name}: {line}"),
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
        if there.identity != training.identity:
            self._load(training)
        elif training.updated(there) != there:
            training.updated(there).write(self._output)
