"""Splits and patients."""

import json

import pytest

from nnunetv2_mstkd.datasets.audit.patient_name import patient_in, patients_of
from nnunetv2_mstkd.datasets.audit.splits import check_splits, splits_files
from nnunetv2_mstkd.errors import ConversionError

PATIENTS = {"a_1": "a", "a_2": "a", "b_1": "b", "c_1": "c"}


@pytest.fixture
def found(tmp_path):
    """Return a function that gives the findings about these splits."""

    def check(content) -> list[str]:
        file = tmp_path / "splits_final.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return [str(finding) for finding in check_splits([file], PATIENTS)]

    return check


def test_grouped_splits_are_sound(found):
    assert (
        found([{"train": ["a_1", "a_2"], "val": ["b_1", "c_1"]}, {"train": ["b_1", "c_1"], "val": ["a_1", "a_2"]}])
        == []
    )


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (
            {"train": ["a_1", "b_1"], "val": ["a_2", "c_1"]},
            "scans of 1 of 2 validation patients are trained on as well",
        ),
        ({"train": ["a_1", "a_2", "b_1"], "val": ["b_1", "c_1"]}, "1 cases are trained on and validated with (b_1)"),
        ({"train": ["a_1", "a_2", "x"], "val": ["b_1", "c_1"]}, "1 cases of it are not in the dataset (x)"),
        ({"train": ["a_1", "a_2"], "val": ["b_1"]}, "1 of 4 cases are in no fold (c_1)"),
    ],
)
def test_what_is_wrong_with_a_fold_is_told(found, fold, message):
    lines = found([fold])
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize("content", ["{", {}, [], [{"train": []}], [{"train": "a", "val": []}], [[]]])
def test_a_damaged_file_is_told(found, content):
    assert found(content)[0].startswith("error: ")


def test_the_file_is_sought_where_nnunet_has_it(tmp_path, monkeypatch):
    folder = tmp_path / "raw/Dataset001_X"
    for place in (folder, tmp_path / "preprocessed/Dataset001_X"):
        place.mkdir(parents=True)
        (place / "splits_final.json").touch()
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "preprocessed"))
    assert [file.parent.parent.name for file in splits_files(folder, None)] == ["raw", "preprocessed"]
    assert splits_files(folder, tmp_path / "mine.json") == [tmp_path / "mine.json"]


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


def test_the_converters_table_counts_more_than_names(tmp_path):
    (tmp_path / "provenance.csv").write_text("case,patient,part\np_1,p,T1\np_2,p,T1\n")
    assert patients_of(tmp_path, ["p_1", "p_2", "sub-01_ses-1"]) == {"p_1": "p", "p_2": "p", "sub-01_ses-1": "sub-01"}
    (tmp_path / "provenance.csv").write_text("something\nelse\n")
    with pytest.raises(ConversionError, match=r"provenance\.csv cannot be read"):
        patients_of(tmp_path, ["p_1"])
