"""Whose scans the cases are."""

import pytest

from nnunetv2_mstkd.datasets.audit.patients import known_patients, patients_of


def test_the_converters_table_counts_more_than_names(tmp_path):
    (tmp_path / "provenance.csv").write_text("case,patient,part\np_1,p,T1\np_2,p,T1\n")
    known, findings = known_patients(tmp_path)
    assert findings == []
    assert patients_of(known, ["p_1", "p_2", "sub-01_ses-1"]) == {"p_1": "p", "p_2": "p", "sub-01_ses-1": "sub-01"}


def test_a_name_counts_where_the_table_has_each_case_as_a_patient():
    cases = ["BraTS-GLI-00005-100", "BraTS-GLI-00005-101"]
    assert set(patients_of({case: case for case in cases}, cases).values()) == {"BraTS-GLI-00005"}


def test_without_a_table_names_count(tmp_path):
    assert known_patients(tmp_path) == ({}, [])
    assert patients_of({}, ["sub-01_ses-1"]) == {"sub-01_ses-1": "sub-01"}


@pytest.mark.parametrize("content", [b"something\nelse\n", b"case\na\n", b"case,patient\n\xff,a\n"])
def test_the_table_of_another_program_is_a_warning(tmp_path, content):
    (tmp_path / "provenance.csv").write_bytes(content)
    known, findings = known_patients(tmp_path)
    assert known == {}
    assert [str(finding)[:25] for finding in findings] == ["warning: provenance.csv: "]
