"""JSON files that hold an object, as dataset.json (L1')."""

import json
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.errors import ConversionError


def read_json_object(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        ConversionError: if it is missing, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConversionError(f"{file} cannot be read ({error.strerror}): is this the right folder?") from error
    except ValueError as error:
        raise ConversionError(f"{file} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ConversionError(f"{file} must hold a JSON object, but it holds a {type(content).__name__}")
    return content
