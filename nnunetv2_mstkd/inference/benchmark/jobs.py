"""What of a benchmark is left to do: each case of each training, unless it has its record (L3)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.identity import changes, read_record, shown_by
from nnunetv2_mstkd.benchmark.json_file import FORMAT
from nnunetv2_mstkd.benchmark.preview import Preview
from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.training_facts import PREDICTIONS, RECORDS
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.benchmark.input_facts import InputFiles
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import Plan
from nnunetv2_mstkd.inference.benchmark.training import Training
from nnunetv2_mstkd.modalities import ModalitySubset

# Trainings that predict a case in turn, and so are in memory at once. More of them read the cases again.
MOST_TRAININGS = 8


@dataclass(eq=False)
class Job:
    """A case that a training is to predict, and what was found so far.

    Args:
        training: who predicts.
        case: what.
        subsets: to predict, in canonical order.
        kept: record with other subsets, which stay.
        predicted: of `subsets`, the ones that the case turns out to show.
        scores: by subset and region.
        previews: sampled label maps by subset.
        seconds: by step.
        engines: that predicted it: a network with an encoder for each modality has one for each subset.
        ended: whether it is finished or given up.
        failure: why it is given up; empty if it is not.
        note: why there was nothing to predict; empty if there was.
    """

    training: Training
    case: BenchmarkCase
    subsets: tuple[ModalitySubset, ...]
    kept: CaseRecord | None = None
    predicted: tuple[ModalitySubset, ...] = ()
    scores: dict[str, dict[str, MaskFacts]] = field(default_factory=dict)
    previews: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"prepare": 0.0, "forward": 0.0, "score": 0.0})
    engines: set[str] = field(default_factory=set)
    ended: bool = False
    failure: str = ""
    note: str = ""

    def let_go(self) -> None:
        """Forget what was found, which is written: jobs are held to the end of the run."""
        self.kept = None
        self.scores.clear()
        self.previews.clear()


class Jobs:
    """Knows what is done.

    Args:
        plan: what is to be scored.
        output: folder of the benchmark.
        options: how.
    """

    def __init__(self, plan: Plan, output: Path, options: BenchmarkOptions) -> None:
        self._plan = plan
        self._output = output
        self._options = options
        self._modalities = plan.facts.modalities

    def records(self, training: Training) -> Path:
        """Return the folder of a training's records."""
        return self._output / RECORDS / training.place

    def label_map(self, training: Training, case: str, subset: ModalitySubset) -> Path:
        """Return where the prediction of a subset lies, if it is kept."""
        ending = str(training.model.dataset_json["file_ending"])
        return self._output / PREDICTIONS / training.place / str(subset) / f"{case}{ending}"

    def left(self) -> tuple[list[list[Job]], Counter[str]]:
        """Return (jobs, changed): the jobs of each case, and how many records of which training are out of date.

        The cases of a fold follow one another, so that its models need not be kept afterwards. If these are many, the
        cases come once for each `MOST_TRAININGS` of them.
        """
        by_case: dict[tuple[Any, ...], list[Job]] = {}
        changed: Counter[str] = Counter()
        sharing: Counter[tuple[str, ...]] = Counter()
        for training, cases in self._plan.work:
            together = tuple(case.name for case in cases)
            turn = sharing[together] // MOST_TRAININGS
            sharing[together] += 1
            for case in cases:
                of_case = by_case.setdefault((together, turn, case.name), [])
                job, what = self._job(training, case)
                changed.update([f"{training.name}: {what} changed"] if what else [])
                of_case += [] if job is None else [job]
        return [jobs for jobs in by_case.values() if jobs], changed

    def _job(self, training: Training, case: BenchmarkCase) -> tuple[Job | None, str]:
        """Return what is to be done, and what changed since it was done."""
        wanted = tuple(subset for subset in self._plan.subsets if training.model.scores_on(subset))
        record = read_record(self.records(training), case.name)
        if record is None:
            return self._new(training, case, wanted), ""
        if what := self._changes(record, training, case):
            return self._new(training, case, wanted), ", ".join(what)
        # of what the files are said to have, some channels may have turned out to be empty
        shown = shown_by(record.images, wanted)
        missing = tuple(subset for subset in shown if not self._has(record, training, subset))
        return (Job(training, case, missing, record) if missing else None), ""

    def _new(self, training: Training, case: BenchmarkCase, wanted: Sequence[ModalitySubset]) -> Job | None:
        has = case.case.subset(self._modalities).names
        subsets = shown_by(has, wanted)
        return Job(training, case, subsets) if subsets else None

    def _has(self, record: CaseRecord, training: Training, subset: ModalitySubset) -> bool:
        """Return whether all that is asked for of a subset is there."""
        is_kept = not self._options.keep_predictions or self.label_map(training, record.case, subset).is_file()
        return str(subset) in record.scores and is_kept

    def _changes(self, record: CaseRecord, training: Training, case: BenchmarkCase) -> list[str]:
        """Return what changed since a record was written; files are read only if their stamps did."""
        if what := changes(record.identity, self._identity_of_training(training)):
            return what
        files = InputFiles.of(case, self._modalities, training.model.preprocessing.reader)
        try:
            if files.stamps() == record.stamps:
                return []
            return changes(record.identity, files.checksums())
        except OSError:
            return ["input files"]  # what is wrong with them is told when the case is read

    def _identity_of_training(self, training: Training) -> dict[str, Any]:
        """Return what all scores of a training depend on."""
        facts = self._plan.facts
        return {
            "format": FORMAT,
            **training.identity,
            "tolerance_mm": facts.tolerance_mm,
            "lesion_wise": facts.lesion_wise,
        }

    def identity(self, training: Training, checksums: dict[str, Any]) -> dict[str, Any]:
        """Return what the scores of a case depend on, given the checksums of its files."""
        return {**self._identity_of_training(training), **checksums}

    def recall(self, job: Job) -> None:
        """Read the previews of the subsets that stay; if they are lost, these are predicted, too."""
        if job.kept is None:
            return
        try:
            preview = Preview.read(self.records(job.training), job.case.name)
        except BenchmarkError:
            preview = None
        if preview is not None and set(preview.subsets) >= set(job.kept.scores):
            job.previews = dict(zip(preview.subsets, preview.labels, strict=True))
            return
        wanted = {*map(str, job.subsets), *job.kept.scores}
        job.subsets = tuple(subset for subset in self._modalities.subsets() if str(subset) in wanted)
        job.kept = None
