"""The folder that a dataset is written into (L1')."""

import os
import re
from pathlib import Path

from nnunetv2_mstkd.datasets.conversion.leftover import PREFIX
from nnunetv2_mstkd.datasets.conversion.provenance import PROVENANCE_FILE
from nnunetv2_mstkd.errors import ConversionError, OutputError

_DATASET_NAME = re.compile(r"Dataset\d{3}_\w+")


def require_target(out: Path, source: Path) -> None:
    """Check what can be told of the target before any image is read.

    Args:
        out: folder of the dataset.
        source: folder of the source.

    Raises:
        ConversionError: if nnU-Net would not find the dataset by its name, or the folder is in use for something else.
        OutputError: if the folder cannot be read or written into.
    """
    try:
        _require_target(out, source)
        if not (out / "dataset.json").is_file():  # a finished dataset may be read-only
            _require_writable(out)
    except PermissionError as error:
        raise OutputError(f"{out} cannot be used: {error}. Mend the permissions, or choose another folder") from error


def _require_target(out: Path, source: Path) -> None:
    if not _DATASET_NAME.fullmatch(out.name):
        raise ConversionError(
            f"nnU-Net finds a raw dataset by a name such as Dataset137_BraTS (three digits); given: {out.name!r}"
        )
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ConversionError(f"{out} is there, and is no folder: choose another name, or remove it")
    same_number = [f.name for f in out.parent.glob(f"{out.name[:10]}_*") if f.name != out.name and f.is_dir()]
    if same_number:
        raise ConversionError(
            f"{out.parent} has {same_number[0]} already, and nnU-Net wants one dataset per number: choose another one"
        )
    if out.resolve().is_relative_to(source.resolve()):
        raise ConversionError(
            f"{out} lies in the source {source}: what is written would be found there as a part of it"
        )
    if content_of(out) and not (out / PROVENANCE_FILE).is_file():
        raise ConversionError(
            f"{out} is not empty, and has no {PROVENANCE_FILE} of a conversion: choose another folder"
        )


def _require_writable(out: Path) -> None:
    there = next(folder for folder in (out, *out.parents) if folder.exists())
    if not there.is_dir():
        raise OutputError(f"{out} cannot be made, as {there} is no folder: choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"{out} cannot be written, as {there} does not let you: mend its permissions, or choose another folder"
        )


def content_of(out: Path) -> list[str]:
    """Return the names in a folder, but for what a killed run left half written."""
    return [file.name for file in out.iterdir() if not file.name.startswith(PREFIX)] if out.is_dir() else []
