"""The patient that a case's name tells (L1')."""

import re

from nnunetv2_mstkd.datasets.layouts.table import patient_of

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


def told_patient(case: str) -> str | None:
    """Return the patient that a case's name tells; None if it is no name that is known.

    Example:
        >>> told_patient("BraTS-GLI-00005-001"), told_patient("BraTS2021_00005"), told_patient("case_7")
        ('BraTS-GLI-00005', 'BraTS2021_00005', None)
    """
    known = patient_of(case)
    if known is not None:
        return known
    found = next((match for pattern in _FURTHER if (match := pattern.fullmatch(case))), None)
    return found[1] if found else None


def patient_in(case: str) -> str:
    """Return the patient that a case's name tells; the name itself if it tells none.

    Example:
        >>> patient_in("sub-01_ses-2"), patient_in("case_7")
        ('sub-01', 'case_7')
    """
    return told_patient(case) or case
