"""JSON files of a benchmark folder: written whole, read with an error that says what to do (L2)."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.whole_file import whole_file

FORMAT = 1  # of the folder; raised when an older program could no longer read what a newer one writes


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all, with the folder where it is missing; NaN is refused, for it is no JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


@contextmanager
def reading(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the content of a JSON file; what is made of it belongs into the block, whose errors name the file.

    Raises:
        BenchmarkError: if the file is missing or damaged, or lacks what the block asks of it.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}, no object")
        yield content
    except FileNotFoundError as error:
        raise BenchmarkError(f"{file} is missing: run mstkd benchmark with this output folder first") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, BenchmarkError):
            raise
        raise BenchmarkError(
            f"{file} is damaged ({type(error).__name__}: {error}). Delete it and give the same command again: only "
            "what is missing is computed anew"
        ) from error


def json_number(value: float) -> float | None:
    """Return a number as JSON can have it: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None
