"""Whether the files of a case are still those that were checked, hours later (L3)."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.input_files import stamps_of


class FileWatch:
    """Remembers size and time of change of the files of cases; thread-safe."""

    def __init__(self) -> None:
        self._noted: dict[str, dict[str, list[int]]] = {}  # stamps by file, by the case's name

    def note(self, case: str, files: Iterable[Path]) -> None:
        """Remember the files of a case as they are now; call it before they are read for the first time."""
        self._noted[case] = _stamps(files)

    def require_unchanged(self, case: str, files: Iterable[Path]) -> None:
        """Check that the files of a case are those that were noted: call it after they were read, or hashed.

        Raises:
            CaseError: if not; the message names them.
        """
        before, now = self._noted[case], _stamps(files)
        if changed := sorted(file for file in before.keys() | now.keys() if before.get(file) != now.get(file)):
            raise CaseError(f"changed while it was predicted: {', '.join(changed)}; predict it again")


def _stamps(files: Iterable[Path]) -> dict[str, list[int]]:
    """Return the stamps of the files that are there."""
    found: dict[str, list[int]] = {}
    for file in files:
        with contextlib.suppress(OSError):
            found |= stamps_of([file])
    return found
