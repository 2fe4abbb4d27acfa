"""Tables of what to use for each case."""

import re
from pathlib import Path

import pytest

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.modality_table import apply_modality_table, read_modality_table, restrict_cases
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a table of this text."""

    def run(text: str, name: str = "cases.csv") -> dict[str, str]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return {case: str(subset) for case, subset in read_modality_table(tmp_path / name, FOUR).items()}

    return run


def case(name: str, modalities: str) -> Case:
    return Case(name, {c: ChannelSource(Path(f"{name}_{c:04d}.nii.gz")) for c in FOUR.subset(modalities).channels})


EXPECTED = {"a": "T1ce+FLAIR", "b": "T2"}


@pytest.mark.parametrize(
    "text",
    [
        "case,modalities\na,T1ce+FLAIR\nb,T2\n",
        "case,modalities\na,t1gd t2f\nb,t2w\n",
        'case,modalities\na,"T1ce,FLAIR"\nb,T2',
        "case,modalities\na,0101\n\n b , 0010 \n",
        "\ufeffCase;Modalities\r\na;T1ce+FLAIR\r\nb;T2\r\n",
        "case\tmodalities\na\tT1ce,FLAIR\nb\tT2\n",
        "case,T1,T1ce,T2,FLAIR\na,0,1,0,1\nb,0,0,1,0\n",
        "case,t2f,t1gd,t2w\na,yes,TRUE,no\nb,No,false,Yes\n",
    ],
)
def test_csv_in_all_its_kinds(read, text):
    assert read(text) == EXPECTED


@pytest.mark.parametrize(
    "text", ['{"a": "T1ce,FLAIR", "b": "T2"}', '{"a": ["t1gd", "t2f"], "b": ["T2"]}', '{"a": "0101", "b": "0010"}']
)
def test_json_in_all_its_kinds(read, text):
    assert read(text, "cases.json") == EXPECTED


def test_a_space_in_a_name_is_not_mistaken_for_a_separator(read):
    assert read("case,modalities\na,T1 ce\nb,T1 ce+T2\n") == {"a": "T1ce", "b": "T1ce+T2"}
    with pytest.raises(CaseError, match=r"line 2: 'T2 FLAIR' may be FLAIR or T2\+FLAIR"):
        read("case,modalities\na,T2 FLAIR\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the header is ''"),
        ("name,modalities\na,T1\n", "the header is 'name,modalities'"),
        ("case,T1,FLIAR\na,1,1\n", "the header: Unknown modality 'FLIAR'. Did you mean 'FLAIR'?"),
        ("case,T1,t1n\na,1,1\n", "the header names a modality twice: 'T1,t1n'"),
        ("case,modalities\na,T1\nb,T1+FLIAR\n", "line 3: Unknown modality 'FLIAR'. Did you mean 'FLAIR'?"),
        ("case,modalities\na,T1 FLIAR\n", "line 2: Unknown modality 'FLIAR'"),
        ("case,modalities\na,T1+t1n\n", "line 2: 'T1+t1n' names a modality twice"),
        ("case,modalities\na,101\n", "line 2: '101' has 3 digits"),
        ("case,modalities\na,\n", "line 2: No modality is named"),
        ("case,modalities\na,T1\na,T2\n", "line 3: the case 'a' is there twice"),
        (
            "case,modalities\na,T1,T2\n",
            "line 2: 2 fields are needed, but ['a', 'T1', 'T2'] has 3; within a field use +",
        ),
        ("case,T1,T2\na,1,maybe\n", "line 2, column T2: 'maybe' is none of 1, yes, true, 0, no, false"),
        ("case,T1,T2\na,0,0\n", "line 2: A subset must not be empty"),
        ('case,modalities\na,"T1\n', "unexpected end of data"),
    ],
)
def test_errors_in_csv_have_the_line_and_the_value(read, text, says):
    with pytest.raises(CaseError, match=r"cases\.csv: ") as raised:
        read(text)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting property name"),
        ("[1]", "it must be an object"),
        ('{"a": 5}', "case 'a': 5 must be text or a list of names"),
        ('{"a": ["T1", 5]}', "case 'a': ['T1', 5] must be text"),
        ('{"a": []}', "case 'a': A subset must not be empty"),
        ('{"a": ["T1", "t1n"]}', "case 'a': ['T1', 't1n'] names a modality twice"),
        ('{"a": "T1", "a": "T2"}', "case 'a': the case 'a' is there twice"),
    ],
)
def test_errors_in_json_have_the_case_and_the_value(read, text, says):
    with pytest.raises(CaseError, match=re.escape(says)):
        read(text, "cases.json")


def test_a_file_that_is_no_table_is_named(read, tmp_path):
    with pytest.raises(CaseError, match=r"cases\.xlsx: a modality table is a \.csv or a \.json file"):
        read("", "cases.xlsx")
    with pytest.raises(CaseError, match=r"nothing\.csv: .*No such file"):
        read_modality_table(tmp_path / "nothing.csv", FOUR)
    (tmp_path / "latin.csv").write_bytes("case,modalities\nJosé,T1\n".encode("latin-1"))
    with pytest.raises(CaseError, match=r"latin\.csv: .*utf-8"):
        read_modality_table(tmp_path / "latin.csv", FOUR)


def test_a_table_leaves_files_out():
    kept, problems = apply_modality_table([case("a", "1111"), case("b", "0110")], table(a="T1ce,FLAIR", b="T2"))
    assert not problems
    assert {c.name: str(c.subset(FOUR)) for c in kept} == EXPECTED


def test_a_table_never_invents_a_file():
    kept, problems = apply_modality_table([case("a", "0100"), case("b", "0010")], table(a="T1ce,FLAIR", b="T2"))
    assert [c.name for c in kept] == ["b"]
    assert [str(p) for p in problems] == ["a: the modality table asks for FLAIR, but it has T1ce"]


def test_rows_and_cases_must_fit_each_other():
    kept, problems = apply_modality_table([case("patient1", "1111"), case("b", "0010")], table(patinet1="T1", b="T2"))
    assert [c.name for c in kept] == ["b"]
    assert [(p.case, p.message.partition(";")[2]) for p in problems] == [
        ("patient1", " did you mean 'patinet1'?"),
        ("patinet1", " did you mean 'patient1'?"),
    ]


def test_a_restriction_of_all_cases_takes_what_is_there():
    cases = [case("a", "1111"), case("b", "0001"), case("c", "1000")]
    kept, problems = restrict_cases(cases, FOUR.subset("T1ce,FLAIR"))
    assert {c.name: str(c.subset(FOUR)) for c in kept} == {"a": "T1ce+FLAIR", "b": "FLAIR"}
    assert [str(p) for p in problems] == ["c: has T1, and nothing of T1ce+FLAIR"]


def table(**rows: str):
    return {name: FOUR.subset(modalities) for name, modalities in rows.items()}
