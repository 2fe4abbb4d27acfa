"""Patients, as names of cases tell them."""

import pytest

from nnunetv2_mstkd.datasets.patient_name import patient_in, told_patient


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("BraTS-GLI-00005-101", "BraTS-GLI-00005"),
        ("UCSF-PDGM-0391_FU003d", "UCSF-PDGM-0391"),
        ("UCSF-PDGM-0391_FU003d_nifti", "UCSF-PDGM-0391"),
        ("UPENN-GBM-00001_21", "UPENN-GBM-00001"),
        ("sub-01_ses-2", "sub-01"),
        ("sub-01_ses-2_run-1", "sub-01"),
        ("SIM-00002-001", "SIM-00002"),
        ("BraTS2021_00005", "BraTS2021_00005"),
        ("patient_7_1", "patient_7_1"),
    ],
)
def test_patients_are_read_from_names(case, patient):
    assert patient_in(case) == patient


def test_a_name_of_no_known_manner_tells_nobody():
    assert told_patient("BraTS2021_00005") == "BraTS2021_00005"
    assert told_patient("patient_7_1") is None
