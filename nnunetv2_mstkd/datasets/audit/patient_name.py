"""Whose scan a case of an nnU-Net dataset is (L1')."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from nnunetv2_mstkd.datasets.conversion.provenance import PROVENANCE_FILE
from nnunetv2_mstkd.datasets.layouts.table import patient_of
from nnunetv2_mstkd.errors import ConversionError

# What the table of layouts does not have; the group is the patient.
_FURTHER = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(SIM-\d{5})-\d{3}",  # the demonstration cohort, as BraTS from 2023 on
        r"(UCSF-PDGM-\d{4})(?:_FU\d{3}d)?_nifti",  # called as its folder
        r"(BraTS-(?:MET|MEN|GoAT)-\d{5})-\d{3}",
        r"(sub-[a-z0-9+]+)_.+",  # BIDS with further entities
    )
)


def patients_of(folder: Path, cases: Iterable[str]) -> dict[str, str]:
    """Return case -> patient: as provenance.csv of `mstkd convert` says, else as the case's name tells.

    A name that tells nothing is that of a patient with this scan alone.

    Args:
        folder: of the raw dataset.
        cases: names of its cases.

    Raises:
        ConversionError: if provenance.csv is damaged.
    """
    known = _from_provenance(folder / PROVENANCE_FILE)
    return {case: known.get(case) or patient_in(case) for case in cases}


def patient_in(case: str) -> str:
    """Return the patient that a case's name tells; the name itself if it tells none.

    Example:
        >>> patient_in("BraTS-GLI-00005-001"), patient_in("sub-01_ses-2"), patient_in("BraTS2021_00005")
        ('BraTS-GLI-00005', 'sub-01', 'BraTS2021_00005')
    """
    known = patient_of(case)
    if known is not None:
        return known
    found = next((match for pattern in _FURTHER if (match := pattern.fullmatch(case))), None)
    return found[1] if found else case


def _from_provenance(file: Path) -> dict[str, str]:
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            return {row["case"]: row["patient"] for row in csv.DictReader(stream) if row["patient"]}
    except FileNotFoundError:
        return {}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise ConversionError(f"{file} cannot be read ({error!r}): restore it, or remove it") from error
