"""What the scores of a case depend on, and what of it changed (L2)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.modalities import ModalitySubset

# key of an identity -> what it is to people
NAMES = {
    "format": "record format",
    "weights_sha256": "checkpoint",
    "plans_sha256": "plans",
    "dataset_json_sha256": "dataset.json of the model",
    "tolerance_mm": "tolerance",
    "lesion_wise": "lesion-wise scores",
    "images": "images",
    "reference": "reference",
}


def changes(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what of an identity another one has differently or not at all, in words; what else that has is ignored."""
    return [NAMES.get(key, key) for key in now if key not in there or there[key] != now[key]]


def read_record(records: Path, case: str) -> CaseRecord | None:
    """Return the record of a case; None if there is none, or it is damaged: then it is made anew."""
    file = CaseRecord.file_of(records, case)
    if not file.is_file():
        return None
    try:
        return CaseRecord.read(file)
    except BenchmarkError:
        return None


def shown_by(names: Iterable[str], subsets: Iterable[ModalitySubset]) -> tuple[ModalitySubset, ...]:
    """Return the subsets whose modalities a case has all."""
    there = set(names)
    return tuple(subset for subset in subsets if there.issuperset(subset.names))
