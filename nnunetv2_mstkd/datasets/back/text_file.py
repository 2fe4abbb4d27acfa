"""Text files beside label maps (L1')."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.datasets.conversion.output_error import output_errors
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.whole_file import whole_file


def require_free(files: Mapping[Path, str]) -> None:
    """Check that no file would be overwritten by other content; of another version of this package it may be.

    Args:
        files: file -> content.

    Raises:
        ConversionError: if one would.
    """
    for file, content in files.items():
        if file.exists() and not _is_same(file, content):
            raise ConversionError(f"{file} is there with other content: remove it, or choose another folder")


def write_texts(files: Mapping[Path, str]) -> None:
    """Write files that are not there, each whole or not at all.

    Raises:
        OutputError: if one cannot be written.
    """
    for file, content in files.items():
        if not file.exists():
            with output_errors(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(file) as temporary:
                    temporary.write_bytes(content.encode())


def _is_same(file: Path, content: str) -> bool:
    try:
        there = file.read_bytes().decode()
        return there == content or (
            file.suffix == ".json" and _without_version(json.loads(there)) == _without_version(json.loads(content))
        )
    except (OSError, ValueError):
        return False


def _without_version(content: Any) -> Any:
    """Return a description of a dataset as it was before and will be after an upgrade; other content as it is."""
    programs = content.get("GeneratedBy") if isinstance(content, dict) else None
    for program in programs if isinstance(programs, list) else ():
        if isinstance(program, dict):
            program.pop("Version", None)
    return content
