"""A case made ready for all models that are to predict it: read and preprocessed once for those that agree (L3)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.errors import CaseError, MSTKDError
from nnunetv2_mstkd.evaluation.label_reference import LabelReference
from nnunetv2_mstkd.inference.benchmark.case_preparation import Preprocessing, ReadCase, require_known_labels
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.benchmark.input_facts import InputFiles
from nnunetv2_mstkd.inference.benchmark.jobs import Job


@dataclass(frozen=True)
class Scene:
    """What a reader found in a case's files.

    Args:
        case: without channels that are empty.
        geometry: of images and reference.
        reference: that compares.
        checksums: of the files, as in the identity of a record.
        stamps: of the files, likewise taken before they were read.
        warnings: what was noticed.
    """

    case: Case
    geometry: Geometry
    reference: LabelReference = field(repr=False)
    checksums: dict[str, Any] = field(repr=False)
    stamps: dict[str, list[int]] = field(repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadyInput:
    """A case as a model takes it.

    Args:
        image: (M, *S), absent channels zero.
        properties: nnU-Net's.
        scene: where it is from.
    """

    image: Tensor = field(repr=False)
    properties: dict[str, Any] = field(repr=False)
    scene: Scene


@dataclass
class ReadyCase:
    """A case as all its models take it.

    Args:
        inputs: by key of the preprocessing.
        failures: why there is none, likewise.
        seconds: that it took.
    """

    inputs: dict[str, ReadyInput] = field(default_factory=dict, repr=False)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def warnings(self) -> list[str]:
        """What was noticed, each once."""
        return list(dict.fromkeys(told for ready in self.inputs.values() for told in ready.scene.warnings))


def make_ready(jobs: Sequence[Job], facts: BenchmarkFacts) -> ReadyCase:
    """Read and preprocess a case for all its jobs: once for all models that want it alike.

    What goes wrong is noted for the models that it concerns; the others have their input.
    """
    started = time.perf_counter()
    ready = ReadyCase()
    by_reader: dict[str, dict[str, Preprocessing]] = {}
    for preprocessing in (job.training.model.preprocessing for job in jobs):
        by_reader.setdefault(preprocessing.reader_key, {})[preprocessing.key] = preprocessing
    for preprocessings in by_reader.values():
        try:
            read, scene = _read(jobs[0].case, next(iter(preprocessings.values())), facts)
        except Exception as error:  # whatever stopped it is the case's own
            ready.failures |= dict.fromkeys(preprocessings, told(error))
            continue
        for key, preprocessing in preprocessings.items():
            try:
                ready.inputs[key] = ReadyInput(*preprocessing.prepare(read), scene)
            except Exception as error:  # as plans that ask for a spacing that does not fit
                ready.failures[key] = told(error)
    ready.seconds = time.perf_counter() - started
    return ready


def _read(case: BenchmarkCase, preprocessing: Preprocessing, facts: BenchmarkFacts) -> tuple[ReadCase, Scene]:
    """Read a case and its reference.

    Raises:
        CaseError: if they cannot be used.
    """
    files = InputFiles.of(case, facts.modalities, preprocessing.reader)
    try:  # before they are read: a file that changes in between is noticed by the next run
        stamps, checksums = files.stamps(), files.checksums()
    except OSError as error:
        raise CaseError(f"{error.filename or 'a file'} cannot be read: {error}") from error
    read = preprocessing.read(case.case, case.reference)
    _require_known_labels(read, case.reference, facts)
    reference = LabelReference(
        read.labels,
        facts.regions,
        read.geometry.spacing,
        tolerance_mm=facts.tolerance_mm,
        lesion_wise=facts.lesion_wise,
        ignore_label=facts.ignore_label,
    )
    return read, Scene(read.case, read.geometry, reference, checksums, stamps, read.warnings)


def _require_known_labels(read: ReadCase, reference: Path, facts: BenchmarkFacts) -> None:
    known = {0, *(label for region in facts.regions for label in region.labels)}
    known |= set() if facts.ignore_label is None else {facts.ignore_label}
    require_known_labels(read.labels, known, reference.name)


def told(error: BaseException) -> str:
    """Return an error in words: it is not kept, for its frames hold whole cases."""
    return str(error) if isinstance(error, MSTKDError) else f"{type(error).__name__}: {error}"
