"""How dataset.json names files that stay where they are (L1')."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.errors import ConversionError

VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)  # what os.path.expandvars replaces, and nnU-Net by it


@dataclass(frozen=True)
class LinkRoot:
    """The folder that files are named from.

    Args:
        folder: of the source, absolute.
        told: how dataset.json is to name it: the same, or with a variable that nnU-Net replaces, "$BRATS/training".
    """

    folder: Path
    told: str

    @classmethod
    def of(cls, source: str, variable: str | None = None) -> "LinkRoot":
        """Return the root of a source as a user typed it.

        Args:
            source: a folder; with a variable in it that the shell left alone ('$BRATS/training'), this is kept. Where a
                folder has `$` in its name, this is no variable.
            variable: name of a variable that holds the folder, or one above it; None to name the folder itself.

        Raises:
            ConversionError: if a variable is not set, is no absolute path, or does not lead to the source.
        """
        expanded = source if _is_name(source) else os.path.expandvars(source)
        if "$" in source and expanded == source and not _is_name(source):
            raise ConversionError(f"{source!r} names a variable that is not set: export it first")
        folder = Path(os.path.abspath(os.path.expanduser(expanded)))
        if variable is not None:
            return cls(folder, _from_variable(folder, variable.lstrip("$")))
        if expanded != source:
            if not os.path.isabs(expanded):
                raise ConversionError(f"{source!r} is {expanded!r}: nnU-Net needs an absolute path in the variable")
            return cls(folder, source.rstrip("/"))
        return cls(folder, str(folder))

    def name(self, file: Path) -> str:
        """Return how dataset.json names a file.

        Raises:
            ConversionError: if nnU-Net would find another one by that name.
        """
        absolute = os.path.abspath(file)
        inside = os.path.relpath(absolute, self.folder)
        told = absolute if inside.startswith("..") else f"{self.told}/{Path(inside).as_posix()}"
        plain = absolute if told == absolute else inside  # the part that is to stay as it is
        if (replaced := VARIABLE.search(plain)) or os.path.normpath(os.path.expandvars(told)) != absolute:
            what = repr(replaced[0]) if replaced else f"what it finds in {told!r}"
            raise ConversionError(
                f"nnU-Net would not find {absolute!r}, as it replaces variables in names, here {what}: use --copy or "
                "--symlink, or rename it; where it is in the name of the source or of a folder above, set a variable "
                f"to that folder and name it by --root-variable. The source is {str(self.folder)!r}"
            )
        return told


def _is_name(path: str) -> bool:
    """Return whether `$` in a path, if any, is in the name of a folder that is there, rather than of a variable."""
    end = path.find("/", path.rfind("$"))
    return "$" in path and os.path.lexists(os.path.expanduser(path if end < 0 else path[:end]))


def _from_variable(folder: Path, variable: str) -> str:
    value = os.environ.get(variable)
    if not value or not os.path.isabs(value):
        raise ConversionError(f"--root-variable {variable} must be set to an absolute path; it is {value!r}")
    inside = os.path.relpath(folder, value)
    if inside.startswith(".."):
        raise ConversionError(f"--root-variable {variable} is {value!r}, and the source {folder} is not in it")
    if replaced := VARIABLE.search(inside):
        raise ConversionError(
            f"--root-variable {variable} must hold {folder} itself: it is {value!r}, and nnU-Net would replace "
            f"{replaced[0]!r} in the rest"
        )
    return f"${variable}" if inside == "." else f"${variable}/{Path(inside).as_posix()}"
