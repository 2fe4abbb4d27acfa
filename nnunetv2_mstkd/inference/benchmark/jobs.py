"""What of a benchmark is left to do: each case of each training, unless it has its record (L3)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.identity import changes, read_record, shown_by
from nnunetv2_mstkd.benchmark.json_file import FORMAT
from nnunetv2_mstkd.benchmark.preview import Preview
from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.training_facts import RECORDS, TRAINING_FILE
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import Plan
from nnunetv2_mstkd.inference.benchmark.training import Training
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


@dataclass(eq=False)
class Job:
    """A case that a training is to predict, and what was found so far.

    Args:
        training: who predicts.
        case: what.
        subsets: to predict, in canonical order.
        predicted: of these, the ones that the case turns out to show.
        kept: record with other subsets, which stay.
        scores: by subset and region.
        previews: sampled label maps by subset.
        seconds: by step.
        ended: whether it is finished or given up.
        error: why it is given up.
    """

    training: Training
    case: BenchmarkCase
    subsets: tuple[ModalitySubset, ...]
    kept: CaseRecord | None = None
    scores: dict[str, dict[str, MaskFacts]] = field(default_factory=dict)
    previews: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"prepare": 0.0, "forward": 0.0, "score": 0.0})
    predicted: tuple[ModalitySubset, ...] = ()
    ended: bool = False
    error: BaseException | None = None


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
        self._checksum: Callable[[Path], str] = lru_cache(maxsize=None)(sha256_of)  # of images that models share

    def records(self, training: Training) -> Path:
        """Return the folder of a training's records."""
        return self._output / RECORDS / training.place

    def left(self) -> tuple[list[list[Job]], Counter[str]]:
        """Return (jobs, changed): the jobs of each case, and how many records of which training are out of date.

        The cases of a fold follow one another, so that its models need not be kept afterwards.
        """
        by_case: dict[str, list[Job]] = {}
        changed: Counter[str] = Counter()
        for training, cases in self._plan.work:
            for case in cases:
                of_case = by_case.setdefault(case.name, [])
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
        if what := changes(record.identity, self.identity(training, case)):
            return self._new(training, case, wanted), ", ".join(what)
        # of what the files are said to have, some channels may have turned out to be empty
        shown = shown_by(list(record.images), self._modalities, wanted)
        missing = tuple(subset for subset in shown if str(subset) not in record.scores)
        if not missing:
            return None, ""
        try:
            preview = Preview.read(self.records(training), case.name)
        except BenchmarkError:
            return Job(training, case, shown), ""
        if set(preview.subsets) != set(record.scores):
            return Job(training, case, shown), ""
        previews = dict(zip(preview.subsets, preview.labels, strict=True))
        return Job(training, case, missing, record, previews=previews), ""

    def _new(self, training: Training, case: BenchmarkCase, wanted: Sequence[ModalitySubset]) -> Job | None:
        has = case.case.subset(self._modalities).names
        subsets = shown_by(list(has), self._modalities, wanted)
        return Job(training, case, subsets) if subsets else None

    @property
    def _modalities(self) -> Modalities:
        return self._plan.facts.modalities

    def identity_of_training(self, training: Training) -> dict[str, Any]:
        """Return what all scores of a training depend on."""
        return {
            "format": FORMAT,
            "weights_sha256": training.weights_sha256,
            "plans_sha256": training.plans_sha256,
            "step_size": self._options.step_size,
            "mirroring": self._options.mirroring,
            "tolerance_mm": self._options.tolerance_mm,
            "lesion_wise": self._options.lesion_wise,
        }

    def identity(self, training: Training, case: BenchmarkCase) -> dict[str, Any]:
        """Return what the scores of a case depend on; thread-safe."""
        names = self._modalities.names
        images = {names[channel]: self._checksum(source.file) for channel, source in case.case.sources.items()}
        return {
            **self.identity_of_training(training),
            "images": images,
            "reference": self._checksum(case.reference),
        }

    def remove_outdated(self, training: Training) -> None:
        """Take away what the training of other weights, or applied otherwise, has left in its folder.

        It is done as soon as training.json tells of the new ones: a report must not show both as one.
        """
        records = self.records(training)
        now = self.identity_of_training(training)
        for file in records.glob("*.json") if records.is_dir() else ():
            record = None if file.name == TRAINING_FILE else read_record(records, file.stem)
            if record is not None and changes(record.identity, now):
                file.unlink(missing_ok=True)
                Preview.file_of(records, file.stem).unlink(missing_ok=True)
