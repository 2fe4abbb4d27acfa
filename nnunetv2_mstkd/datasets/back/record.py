"""The record that `mstkd predict` leaves beside a label map (L1')."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.datasets.json_object import read_json_object
from nnunetv2_mstkd.errors import ConversionError

_MODEL_KEYS = ("dataset", "trainer", "plans", "configuration", "checkpoint", "folds", "weights_sha256")


@dataclass(frozen=True)
class Record:
    """What is known of a prediction.

    Args:
        images: files that were predicted, each once, in channel order.
        used: modalities that the model saw.
        absent: modalities that it did not.
        model: what tells the model, without paths.
    """

    images: tuple[Path, ...]
    used: tuple[str, ...]
    absent: tuple[str, ...]
    model: Mapping[str, Any]


def read_records(predictions: Mapping[str, Path]) -> dict[str, Record]:
    """Return case -> its record; without the cases that have none, as after nnUNetv2_predict.

    Args:
        predictions: case -> label map, beside which `mstkd predict` left its record.

    Raises:
        ConversionError: if a record is damaged, or something else.
    """
    read = {case: _read(file.with_name(f"{case}.mstkd.json")) for case, file in predictions.items()}
    return {case: record for case, record in read.items() if record is not None}


def _read(file: Path) -> Record | None:
    if not file.exists():
        return None
    content = read_json_object(file)
    files, modalities, model = (_object(file, content, key) for key in ("files", "modalities", "model"))
    if not all(isinstance(entry, dict) and isinstance(entry.get("file"), str) for entry in files.values()):
        raise _no_record(file, f"'files' is {files!r:.80}")
    used, absent = (_names(file, modalities, key) for key in ("used", "absent"))
    images = dict.fromkeys(Path(entry["file"]) for entry in files.values())
    return Record(tuple(images), used, absent, {key: model[key] for key in _MODEL_KEYS if key in model})


def _object(file: Path, content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        raise _no_record(file, f"{key!r} is {value!r:.80}" if key in content else f"it has no {key!r}")
    return value


def _names(file: Path, modalities: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = modalities.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _no_record(file, f"{key!r} of 'modalities' is {names!r:.80}")
    return tuple(names)


def _no_record(file: Path, told: str) -> ConversionError:
    return ConversionError(f"{file} is no record of mstkd predict: {told}. Restore it, or remove it")
