"""Names of cases in BIDS derivatives: after the standard, nothing lost, never two files of one name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_mstkd.datasets.back.bids_name import bids_name, bids_names
from nnunetv2_mstkd.errors import ConversionError

# entities of images of anatomy, in the order that the standard has in its table of file names
ANATOMY = ("task", "acq", "ce", "rec", "run", "echo", "part", "chunk")
NAME = re.compile(r"(sub-[a-zA-Z0-9+]+)(_ses-[a-zA-Z0-9+]+)?(_[a-z]+-[a-zA-Z0-9+]+)*_desc-mstkd_dseg")


@pytest.mark.parametrize(
    ("case", "stem"),
    [
        ("sub-01", "sub-01/anat/sub-01_desc-mstkd_dseg"),
        ("sub-01_ses-pre_run-2", "sub-01/ses-pre/anat/sub-01_ses-pre_run-2_desc-mstkd_dseg"),
        ("sub-01_acq-3T+iso_ce-gd_echo-1", "sub-01/anat/sub-01_acq-3T+iso_ce-gd_echo-1_desc-mstkd_dseg"),
        ("sub-01_run-2_acq-x", "sub-01/anat/sub-01_acq-x_run-2_desc-mstkd_dseg"),  # the standard's order
        ("sub-01_foo", "sub-01/ses-foo/anat/sub-01_ses-foo_desc-mstkd_dseg"),
        ("sub-01_ses-2_desc-brain", "sub-01/ses-2descbrain/anat/sub-01_ses-2descbrain_desc-mstkd_dseg"),
        ("sub-01_run-a_run-1", "sub-01/ses-runa/anat/sub-01_ses-runa_run-1_desc-mstkd_dseg"),  # a run is a number
        ("sub-0.1", "sub-01/anat/sub-01_desc-mstkd_dseg"),
        ("UPENN-GBM-00001_11", "sub-UPENNGBM00001/ses-11/anat/sub-UPENNGBM00001_ses-11_desc-mstkd_dseg"),
        ("UCSF-PDGM-0391_FU003d", "sub-UCSFPDGM0391/ses-FU003d/anat/sub-UCSFPDGM0391_ses-FU003d_desc-mstkd_dseg"),
        ("BraTS2021_00005", "sub-BraTS202100005/anat/sub-BraTS202100005_desc-mstkd_dseg"),
        ("my case 7", "sub-mycase7/anat/sub-mycase7_desc-mstkd_dseg"),
    ],
)
def test_names_of_cases(case, stem):
    assert str(bids_name(case).stem) == stem


def test_two_visits_are_two_sessions_of_one_subject():
    names = bids_names(["BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS-GLI-00006-000"])
    assert [(name.subject, name.session) for name in names.values()] == [
        ("sub-BraTSGLI00005", "ses-000"),
        ("sub-BraTSGLI00005", "ses-001"),
        ("sub-BraTSGLI00006", "ses-000"),
    ]


@pytest.mark.parametrize(
    "cases",
    [
        ("a-1", "a_1"),
        ("case_A", "case_a"),
        ("sub-x", "x"),
        ("sub-1_acq-x_run-1", "sub-1_run-1_acq-x"),
        ("sub-1_ses-2", "sub-1_2"),
    ],
)
def test_cases_that_would_be_one_file_are_refused(cases):
    with pytest.raises(ConversionError, match=f"'{cases[0]}' and '{cases[1]}' would both be"):
        bids_names(cases)


@pytest.mark.parametrize("case", ["---", "sub-", "sub-_run-1"])
def test_a_case_without_letters_is_refused(case):
    with pytest.raises(ConversionError, match="no letter and no digit"):
        bids_name(case)


label = st.text("abcXYZ019+", min_size=1, max_size=4)
entities = st.fixed_dictionaries(
    {"sub": label},
    optional={
        name: label.filter(str.isdecimal) if name in ("run", "echo", "chunk") else label for name in ("ses", *ANATOMY)
    },
)
bids_case = entities.map(
    lambda given: "_".join(f"{key}-{given[key]}" for key in ("sub", "ses", *ANATOMY) if key in given)
)


@given(bids_case)
def test_a_name_of_the_standard_is_kept_whole(case):
    assert bids_name(case).stem.name == f"{case}_desc-mstkd_dseg"


@given(st.sets(st.one_of(st.text(max_size=12), bids_case, bids_case.flatmap(lambda case: label.map(case.__add__)))))
def test_names_are_the_standards_and_never_the_same(cases):
    try:
        names = bids_names(cases)
    except ConversionError:  # refused, as above
        return
    stems = [name.stem for name in names.values()]
    assert len({str(stem).lower() for stem in stems}) == len(cases)
    for stem in stems:
        match = NAME.fullmatch(stem.name)
        assert match
        assert str(stem.parent) == "/".join(filter(None, (match[1], (match[2] or "")[1:], "anat")))


@given(st.sets(st.tuples(st.integers(0, 99999), st.integers(0, 999)), max_size=30))
def test_all_visits_of_a_challenge_have_names_and_their_patients_are_the_subjects(visits):
    names = bids_names([f"BraTS-GLI-{patient:05d}-{visit:03d}" for patient, visit in visits])
    assert [(name.subject, name.session) for name in names.values()] == [
        (f"sub-BraTSGLI{patient:05d}", f"ses-{visit:03d}") for patient, visit in visits
    ]
