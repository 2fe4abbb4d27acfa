"""The table of what each case has: written, read back, and refused where it is not what it should be."""

import json

import pytest

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
AVAILABILITY = Availability(FOUR, {"b": FOUR.subset("T2,T1"), "a": FOUR.all, "c": FOUR.subset("FLAIR")})


@pytest.fixture
def file(tmp_path):
    return tmp_path / AVAILABILITY_FILE


def content(**changes):
    return {"format": 1, "modalities": list(FOUR), "cases": {"a": ["T1", "T2"]}, **changes}


def test_the_file_is_what_the_documentation_shows(file):
    write_availability(file, AVAILABILITY)
    assert json.loads(file.read_text()) == {
        "format": 1,
        "modalities": ["T1", "T1ce", "T2", "FLAIR"],
        "cases": {"a": ["T1", "T1ce", "T2", "FLAIR"], "b": ["T1", "T2"], "c": ["FLAIR"]},
    }
    assert list(json.loads(file.read_text())["cases"]) == ["a", "b", "c"]


def test_what_is_written_is_read_back(file):
    write_availability(file, AVAILABILITY)
    assert read_availability(file, FOUR) == AVAILABILITY


@pytest.mark.parametrize("names", [("DWI (b=0,1000)", "01", "T1"), ("01", "10"), ("T2 flair", "t2f"), ("a b ", " c")])
def test_names_with_commas_digits_and_aliases_are_read_back(file, names):
    modalities = Modalities(names)
    present = {str(subset): subset for subset in modalities.subsets()}
    write_availability(file, Availability(modalities, present))
    assert read_availability(file, modalities).present == present


def test_a_table_of_no_cases_is_read_back(file):
    write_availability(file, Availability(FOUR, {}))
    assert read_availability(file, FOUR) == Availability(FOUR, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "it is no table of format 1"),
        ("null", "it is no table of format 1"),
        (content(format=2), "it is no table of format 1"),
        (content(cases=None), "it is no table of format 1"),
        (content(cases=["a"]), "it is no table of format 1"),
        (content(modalities=None), "it is of the modalities None, the dataset has .'T1', 'T1ce', 'T2', 'FLAIR'."),
        (content(modalities=["T1", "T2", "T1ce", "FLAIR"]), "it is of the modalities .'T1', 'T2', 'T1ce', 'FLAIR'.,"),
        (content(cases={"a": []}), "case 'a' has .*: No modality is named"),
        (content(cases={"a": ["T1", "PET"]}), "case 'a' has .*: Unknown modality 'PET'"),
        (content(cases={"a": ["T1", "t1gd"]}), "case 'a' has .*: Unknown modality 't1gd'"),
        (content(cases={"a": ["T1", "T1"]}), "case 'a' has .*: .* names a modality twice"),
        (content(cases={"a": "T1"}), "case 'a' has 'T1': 'T1' is no list of names"),
        (content(cases={"a": "1010"}), "case 'a' has '1010': '1010' is no list of names"),
        (content(cases={"a": [True, False, True, False]}), "case 'a' has .*: True is no name of a modality"),
        (content(cases={"a": None}), "case 'a' has None: None is no list of names"),
        (content(cases={"a": {"T1": False}}), "case 'a' has .*: .* is no list of names"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_way_out(file, text, message):
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    with pytest.raises(CaseError, match=rf"^{file}: {message}.*\. Delete it to have it found again from the data$"):
        read_availability(file, FOUR)


def test_a_file_that_is_no_text_is_told(file):
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(CaseError, match=f"^{file}: .*utf-8.* Delete it"):
        read_availability(file, FOUR)


def test_a_file_that_is_not_there_is_told(file):
    with pytest.raises(CaseError, match=f"^{file}: .*No such file"):
        read_availability(file, FOUR)


def test_incomplete_cases_and_counts():
    assert AVAILABILITY.incomplete == ("b", "c")
    assert AVAILABILITY.counts() == {"T1": 2, "T1ce": 1, "T2": 2, "FLAIR": 2}
    assert list(AVAILABILITY.counts()) == list(FOUR)


def test_a_case_that_the_table_does_not_list_is_named():
    assert AVAILABILITY.of("c") == FOUR.subset("FLAIR")
    with pytest.raises(CaseError, match=r"^d: modality_availability\.json does not say which modalities it has"):
        AVAILABILITY.of("d")
