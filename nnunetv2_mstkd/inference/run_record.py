"""What is written beside the segmentations: a sidecar for each case, a manifest of the run (L3)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.run_facts import now, versions
from nnunetv2_mstkd.whole_file import whole_file


@dataclass(frozen=True)
class Sidecar:
    """The record of one case, `<case>.mstkd.json`; it is written last, so a case that has one is finished.

    `<case>.json` is the name under which nnU-Net seeks the spacing of a TIFF.

    Args:
        folder: of the output.
        case: name of the case.
    """

    folder: Path
    case: str

    @property
    def file(self) -> Path:
        """Where it is."""
        return self.folder / f"{self.case}.mstkd.json"

    def is_finished(self, identity: Mapping[str, Any]) -> bool:
        """Return whether the case was predicted from the same input by the same model, and its files are whole.

        Args:
            identity: what the result depends on: the input files, the model, how it is applied.
        """
        try:
            record = self._read()
            same = all(record[name] == value for name, value in identity.items())
            return same and all(sha256_of(self.folder / name) == digest for name, digest in record["outputs"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, damaged, or of another program
            return False

    def used(self) -> list[str]:
        """Return the names of the modalities that the case was predicted from; none if there is no sound record."""
        try:
            return list(self._read()["modalities"]["used"])
        except (OSError, ValueError, KeyError, TypeError):  # missing, damaged, or of another program
            return []

    def remove(self) -> list[str]:
        """Take away an earlier run's with all files that it names, and return the names of these that were there.

        Nothing of it must lie beside a new segmentation, or in place of one.
        """
        there = [name for name in self._own_outputs() if (self.folder / name).exists()]
        for name in there:
            (self.folder / name).unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)  # last: after a kill in between, the next run still knows the others
        return there

    def _own_outputs(self) -> list[str]:
        """Return the names of the files that it lists: those in this folder that bear the case's name."""
        try:
            outputs = self._read()["outputs"]
            return [name for name in outputs if Path(name).name == name and name.startswith(f"{self.case}.")]
        except (OSError, ValueError, KeyError, TypeError):  # missing, damaged, or of another program
            return []

    def _read(self) -> Any:
        return json.loads(self.file.read_text(encoding="utf-8"))

    def write(self, identity: Mapping[str, Any], prediction: Prediction, outputs: list[str], seconds: float) -> None:
        """Write it.

        Args:
            identity: what the result depends on; a continued run compares it.
            prediction: what was predicted.
            outputs: names of the files in the folder that hold it.
            seconds: that it took, from reading to writing.
        """
        absent = [name for name in prediction.used.modalities if name not in prediction.used.names]
        content = {
            "case": self.case,
            "modalities": {"used": list(prediction.used.names), "absent": absent},
            "warnings": list(prediction.warnings),
            "confidence": confidence_note(prediction),
            **identity,
            "versions": versions(),
            "finished": now(),
            "seconds": round(seconds, 2),
            "outputs": {name: sha256_of(self.folder / name) for name in outputs},
        }
        write_json(self.file, content)


def confidence_note(prediction: Prediction) -> dict[str, Any]:
    """Return how well the model did on this subset in its own benchmark, or that this is not known."""
    if prediction.confidence is None:
        return {"known": False, "note": "The model folder has no benchmark of this subset."}
    note = f"Dice of the model's own benchmark, given {prediction.used}"
    return {"known": True, "note": note, "regions": prediction.confidence}


@dataclass
class Manifest:
    """The record of a run, `mstkd_run.json`: written at the start and after each case.

    Args:
        file: where.
        facts: what holds for the whole run.
    """

    file: Path
    facts: Mapping[str, Any]
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: str = field(default_factory=now)

    def add(self, case: str, status: str, **details: Any) -> None:
        """Note what became of a case, and write."""
        self.cases[case] = {"status": status, **details}
        self.write("running")

    def write(self, status: str) -> None:
        """Write the whole file anew."""
        content = {"status": status, "started": self.started, "updated": now(), **self.facts, "cases": self.cases}
        write_json(self.file, content)


def write_json(file: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with whole_file(file) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
