"""Score what is predicted, and write the preview and the record of a case (L3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.benchmark.preview import Preview, preview_stride, sampled
from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.inference.benchmark.jobs import Job, Jobs
from nnunetv2_mstkd.inference.benchmark.ready_case import ReadyInput
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.run_facts import now
from nnunetv2_mstkd.modalities import ModalitySubset


class JobWriter:
    """Writes what is found.

    Args:
        output: folder of the benchmark.
        jobs: that know where things lie.
        facts: of the benchmark.
        run: device, versions and hardware, for each record.
        keeps_predictions: whether every label map is written.
    """

    def __init__(
        self, output: Path, jobs: Jobs, facts: BenchmarkFacts, run: Mapping[str, Any], *, keeps_predictions: bool
    ) -> None:
        self.output = output
        self._jobs = jobs
        self._facts = facts
        self._run = run
        self._keeps_predictions = keeps_predictions

    def recall(self, job: Job) -> None:
        """Read what is to stay of an earlier run."""
        self._jobs.recall(job)

    def score(self, job: Job, ready: ReadyInput, subset: ModalitySubset, labels: NDArray[np.integer]) -> None:
        """Compare labels (z, y, x) with the reference; write them if they are to be kept.

        Raises:
            OSError: if they cannot be written.
        """
        job.scores[str(subset)] = ready.scene.reference.compare(labels)
        job.previews[str(subset)] = sampled(labels, preview_stride(ready.scene.geometry.spacing))
        file = self._jobs.label_map(job.training, job.case.name, subset)
        if self._keeps_predictions or file.exists():  # one of an earlier run must not outlive its scores
            file.parent.mkdir(parents=True, exist_ok=True)
            reader = job.training.model.preprocessing.reader
            Prediction(labels, None, subset, (), None, ready.properties, reader).save(file)

    def write(self, job: Job, ready: ReadyInput) -> None:
        """Write preview and record, the record last: a case that has one is finished.

        Raises:
            OSError: if they cannot be written.
        """
        scene, records = ready.scene, self._jobs.records(job.training)
        found = {**(job.kept.scores if job.kept else {}), **job.scores}
        scores = {
            str(subset): found[str(subset)] for subset in self._facts.modalities.subsets() if str(subset) in found
        }
        maps = np.stack([job.previews[subset] for subset in scores])
        Preview(tuple(scores), maps, preview_stride(scene.geometry.spacing)).write(records, job.case.name)
        names = self._facts.modalities.names
        CaseRecord(
            case=job.case.name,
            identity=self._jobs.identity(job.training, scene.checksums),
            finished=now(),
            seconds={step: round(seconds, 3) for step, seconds in job.seconds.items()},
            images={names[channel]: str(source.file.resolve()) for channel, source in scene.case.sources.items()},
            reference=str(job.case.reference.resolve()),
            spacing_mm=scene.geometry.spacing,
            shape=scene.geometry.shape,
            scores=scores,
            run={**self._run, "engine": ", ".join(sorted(job.engines))},
            stamps=scene.stamps,
        ).write(records)
