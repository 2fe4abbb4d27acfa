"""What a demonstration has done so far, kept in a file of its folder (L2)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.demo.step import Step
from nnunetv2_mstkd.whole_file import whole_file


@dataclass
class Record:
    """Started and finished steps.

    A step counts only as long as nothing that it needs was done anew after it: whoever starts a step erases its
    followers first.

    Args:
        file: where it is kept; written whole at each change.
        entries: by name of the step: its identity, and its seconds once it is finished.
    """

    file: Path
    entries: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, file: Path) -> "Record":
        """Read the file; without one nothing is done yet."""
        return cls(file, json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {})

    def is_finished(self, step: Step) -> bool:
        """Whether this very step is done."""
        return self.is_started(step) and "seconds" in self.entries[step.name]

    def is_started(self, step: Step) -> bool:
        """Whether this very step was begun, so that what lies there is its own."""
        return step.name in self.entries and self.entries[step.name]["identity"] == step.identity

    @property
    def seconds(self) -> float:
        """How long the finished steps took, over all calls."""
        return float(sum(entry.get("seconds", 0) for entry in self.entries.values()))

    def start(self, step: Step, steps: Sequence[Step]) -> None:
        """Note that a step begins.

        Args:
            step: the step.
            steps: all steps, in their order; what follows from `step` is forgotten.
        """
        stale = {step.name}
        for later in steps:
            if stale & set(later.needs):
                stale.add(later.name)
        self.entries = {name: entry for name, entry in self.entries.items() if name not in stale}
        self.entries[step.name] = {"identity": step.identity}
        self.write()

    def finish(self, step: Step, seconds: float) -> None:
        """Note that a step is done."""
        self.entries[step.name]["seconds"] = round(seconds, 1)
        self.write()

    def write(self) -> None:
        """Write the file."""
        with whole_file(self.file) as file:
            file.write_text(json.dumps(self.entries, indent=2), encoding="utf-8")
