"""What the scores of a case depend on, and what of it changed (L2)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

# key of an identity -> what it is to people
NAMES = {
    "format": "record format",
    "weights_sha256": "checkpoint",
    "plans_sha256": "plans",
    "step_size": "step size",
    "mirroring": "mirroring",
    "tolerance_mm": "tolerance",
    "lesion_wise": "lesion-wise scores",
    "images": "images",
    "reference": "reference",
}


def changes(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between two identities, as far as both say it, in words."""
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


def shown_by(
    names: Sequence[str], modalities: Modalities, subsets: Sequence[ModalitySubset]
) -> tuple[ModalitySubset, ...]:
    """Return the subsets that a case with these modalities can show."""
    return tuple(subset for subset in subsets if set(subset.names) <= {n for n in modalities.names if n in names})
