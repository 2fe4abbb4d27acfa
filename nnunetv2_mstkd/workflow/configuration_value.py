"""One value of config.yaml: of the right type, and as a workflow needs it (L0: standard library only)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.errors import SettingsError

_LISTS = ("trainers", "plans", "folds")  # of one item at least
_OPTIONAL_LISTS = (
    "subsets",
    "cohort_options",
    "plan_options",
    "train_options",
    "benchmark_options",
    "report_options",
)


def checked_value(key: str, value: Any, base: Path | None) -> Any:
    """Return the value of a key as a workflow needs it: lists as tuples, folders as absolute paths.

    Args:
        key: of config.yaml; it must be known.
        value: as the file has it.
        base: folder that relative paths start from; None where they are an error.

    Raises:
        SettingsError: if the value is of the wrong type, out of range or an empty list.
    """
    if key in (*_LISTS, *_OPTIONAL_LISTS):
        return _list(key, value)
    if key in ("results", "output", "raw", "preprocessed", "costs_script"):
        return _folder(key, _text(key, value), base)
    if key in ("repeats", "parts"):
        if type(value) is not int or value < 1:
            raise SettingsError(f"{key}: must be a whole number from 1 on; given: {value!r}")
        return value
    if key in ("cohort", "plan"):
        if type(value) is not bool:
            raise SettingsError(f"{key}: must be true or false; given: {value!r}")
        return value
    if key == "environment":
        if not isinstance(value, Mapping):
            raise SettingsError(f"environment: must be NAME: value, a line for each; given: {value!r}")
        return {str(name): str(text) for name, text in value.items()}
    return _text(key, value)


def _folder(key: str, text: str, base: Path | None) -> Path:
    folder = Path(text).expanduser()
    if base is None and not folder.is_absolute():
        raise SettingsError(f"{key}: must be an absolute path, on a volume that all jobs share; given: {text}")
    return base / folder if base else folder


def _list(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise SettingsError(f"{key}: must be a list, such as [{value}]; given: {value!r}")
    if not value and key in _LISTS:
        raise SettingsError(f"{key}: the list is empty; name at least one")
    texts = tuple(_text(key, item) for item in value)
    if repeated := [text for text in texts if texts.count(text) > 1 and not key.endswith("_options")]:
        raise SettingsError(f"{key}: {repeated[0]} is there twice")
    return texts


def _text(key: str, value: Any) -> str:
    if type(value) not in (str, int, float):  # bool is an int: an unquoted yes or no
        raise SettingsError(f"{key}: must be text; given: {value!r}")
    return str(value)
