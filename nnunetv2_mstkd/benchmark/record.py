"""The record of one case, predicted by one training with every subset (L2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.json_file import reading, write_json
from nnunetv2_mstkd.benchmark.training_facts import TRAINING_FILE
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts


@dataclass(frozen=True)
class CaseRecord:
    """One case, predicted by one training with every subset.

    Args:
        case: name.
        identity: what the scores depend on; a continued run compares it.
        finished: when, UTC, ISO 8601.
        seconds: by step.
        images: file of each modality.
        reference: file of the reference.
        spacing_mm: of the scored grid along (z, y, x).
        shape: of the scored grid along (z, y, x).
        scores: facts by subset and region; every subset has every region.
        run: device, engine, versions and hardware of the run that wrote it; parts of one training may differ in them.
        stamps: (bytes, time of change in ns) of each input file: as long as they are the same, a continued run takes
            the file for unchanged and does not read it.
    """

    case: str
    identity: Mapping[str, Any]
    finished: str
    seconds: Mapping[str, float]
    images: Mapping[str, str]
    reference: str
    spacing_mm: tuple[float, ...]
    shape: tuple[int, ...]
    scores: Mapping[str, Mapping[str, MaskFacts]]
    run: Mapping[str, Any] = field(default_factory=dict)
    stamps: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @staticmethod
    def file_of(records: Path, case: str) -> Path:
        """Return where the record of a case lies in the folder of its training.

        Raises:
            BenchmarkError: if the case bears the name of a file of ours.
        """
        if f"{case}.json" == TRAINING_FILE:
            raise BenchmarkError(f"A case cannot be called {case!r}, for {TRAINING_FILE} is another file: rename it")
        return records / f"{case}.json"

    def write(self, records: Path) -> Path:
        """Write the record into the folder of its training, whole, and return the file."""
        scores = {
            subset: {region: facts.to_json() for region, facts in by_region.items()}
            for subset, by_region in self.scores.items()
        }
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        file = self.file_of(records, self.case)
        write_json(file, {**own, "spacing_mm": list(self.spacing_mm), "shape": list(self.shape), "scores": scores})
        return file

    @classmethod
    def read(cls, file: Path) -> "CaseRecord":
        """Read the record of a case.

        Raises:
            BenchmarkError: if it is missing or damaged.
        """
        with reading(file) as content:
            own = {each.name: content[each.name] for each in fields(cls)}
            own["spacing_mm"], own["shape"] = tuple(content["spacing_mm"]), tuple(content["shape"])
            own["scores"] = {
                subset: {region: MaskFacts.from_json(facts) for region, facts in by_region.items()}
                for subset, by_region in content["scores"].items()
            }
            return cls(**own)


def case_files(records: Path) -> Iterator[Path]:
    """Yield the files of the finished cases in the folder of a training, sorted."""
    for file in sorted(records.glob("*.json")):
        if file.name != TRAINING_FILE and not file.name.startswith(".partial_"):
            yield file
