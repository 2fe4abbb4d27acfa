"""Whose scan a case of an nnU-Net dataset is (L1')."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.conversion.provenance import PROVENANCE_FILE
from nnunetv2_mstkd.datasets.patient_name import patient_in


def known_patients(folder: Path) -> tuple[dict[str, str], list[Finding]]:
    """Return case -> patient as provenance.csv of `mstkd convert` says, and a finding if the file is another's.

    Args:
        folder: of the raw dataset.
    """
    file = folder / PROVENANCE_FILE
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            return {row["case"]: row["patient"] for row in csv.DictReader(stream) if row["patient"]}, []
    except FileNotFoundError:
        return {}, []
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        told = f"is no table of mstkd convert ({error!r}): patients are told by the names of the cases alone"
        return {}, [Finding("warning", PROVENANCE_FILE, told)]


def patients_of(known: Mapping[str, str], cases: Iterable[str]) -> dict[str, str]:
    """Return case -> patient: as is known, else as the case's name tells.

    A case that is known as a patient of its own is looked at by its name, too: it may be for want of better knowledge.
    A name that tells nothing is that of a patient with this scan alone.
    """
    return {case: patient_in(case) if known.get(case, case) == case else known[case] for case in cases}
