"""What all records of a benchmark folder have in common (L2)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.json_file import FORMAT, reading, write_json
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.regions import Region

BENCHMARK_FILE = "benchmark.json"

# key -> option that decides it
_OPTIONS = {
    "tolerance_mm": "--tolerance",
    "lesion_wise": "--lesion-wise",
    "step_size": "-step_size",
    "mirroring": "--disable_tta",
    "source": "-i, -l",
}


@dataclass(frozen=True)
class BenchmarkFacts:
    """What all records of a folder have in common.

    Args:
        dataset: name, such as "Dataset901_Simulated"; of a test set the folder that its labels lie in.
        modalities: channel names in channel order.
        regions: what is scored.
        ignore_label: its number; None if the dataset has none.
        tolerance_mm: of the normalised surface Dice.
        lesion_wise: whether the lesion-wise metrics are in the records.
        protocol: which cases these are: "validation folds" or "test set".
        step_size: of the sliding window, in patches.
        mirroring: whether test-time augmentation is used.
        source: of a test set the folders of "images" and "labels"; None for validation folds.
    """

    dataset: str
    modalities: Modalities
    regions: tuple[Region, ...]
    ignore_label: int | None
    tolerance_mm: float
    lesion_wise: bool
    protocol: str
    step_size: float = 0.5
    mirroring: bool = True
    source: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "format": FORMAT,
            "dataset": self.dataset,
            "modalities": list(self.modalities),
            "regions": {region.name: list(region.labels) for region in self.regions},
            "ignore_label": self.ignore_label,
            "tolerance_mm": self.tolerance_mm,
            "lesion_wise": self.lesion_wise,
            "protocol": self.protocol,
            "step_size": self.step_size,
            "mirroring": self.mirroring,
            "source": None if self.source is None else dict(self.source),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "BenchmarkFacts":
        """Make one of what `to_json` returned."""
        own = {field.name: content[field.name] for field in fields(cls)}
        own["modalities"] = Modalities(tuple(content["modalities"]))
        own["regions"] = tuple(Region(name, tuple(labels)) for name, labels in content["regions"].items())
        return cls(**own)

    @classmethod
    def read(cls, folder: Path) -> "BenchmarkFacts":
        """Read benchmark.json of a folder.

        Raises:
            BenchmarkError: if it is missing, damaged or of another format.
        """
        with reading(folder / BENCHMARK_FILE) as content:
            if content["format"] != FORMAT:
                raise BenchmarkError(
                    f"{folder} was written in format {content['format']}, this version reads {FORMAT}: use the "
                    "version that wrote it, or another output folder"
                )
            return cls.from_json(content)

    def write(self, folder: Path) -> None:
        """Write benchmark.json, or hold that the one that is there says the same.

        Any number of processes may do so at a time.

        Raises:
            BenchmarkError: if the folder belongs to another benchmark; the message lists what differs.
        """
        if not (folder / BENCHMARK_FILE).exists():
            write_json(folder / BENCHMARK_FILE, self.to_json())
        self.require_same(folder)

    def require_same(self, folder: Path) -> None:
        """Check that a folder holds this benchmark, or none yet.

        Raises:
            BenchmarkError: if it belongs to another benchmark; the message lists what differs.
        """
        if not (folder / BENCHMARK_FILE).exists():
            return
        there, here = BenchmarkFacts.read(folder).to_json(), self.to_json()
        # as lists, for the order of the regions is that of the columns
        differing = [key for key in here if _ordered(there[key]) != _ordered(here[key])]
        if differing:
            told = "; ".join(_told(key, there[key], here[key]) for key in differing)
            raise BenchmarkError(f"{folder} holds another benchmark: {told}. Use another output folder")


def _told(key: str, there: Any, here: Any) -> str:
    option = f" ({_OPTIONS[key]})" if key in _OPTIONS else ""
    return f"{key} is {there!r} there and {here!r} now{option}"


def _ordered(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value
