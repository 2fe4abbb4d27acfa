"""Splits."""

import json

import pytest

from nnunetv2_mstkd.datasets.audit.splits import check_splits, read_folds, splits_files

PATIENTS = {"a_1": "a", "a_2": "a", "b_1": "b", "c_1": "c"}


@pytest.fixture
def found(tmp_path):
    """Return a function that gives the findings about these splits."""

    def check(content) -> list[str]:
        file = tmp_path / "splits_final.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return [str(finding) for finding in check_splits({file: read_folds(file, PATIENTS)}, PATIENTS)]

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
        ({"train": ["a_1", "a_2", "b_1"], "val": ["b_1", "c_1"]}, "train and val both have 1 case (b_1)"),
        ({"train": ["a_1", "a_2", "x"], "val": ["b_1", "c_1"]}, "names 1 case that the dataset does not have (x)"),
        ({"train": ["a_1", "a_2"], "val": ["b_1"]}, "no fold uses 1 of 4 cases (c_1)"),
    ],
)
def test_what_is_wrong_with_a_fold_is_told(found, fold, message):
    lines = found([fold])
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (
            [{"train": ["a_1", "a_2"], "val": ["b_1", "c_1", "b_1"]}],
            "error: {}, fold 0: val names 1 case more than once",
        ),
        ([{"train": ["b_1", "c_1", "c_1"], "val": ["a_1", "a_2"]}], "error: {}, fold 0: train names 1 case more than"),
        ([{"train": ["a_1", "a_2", "b_1", "c_1"], "val": []}], "error: {}, fold 0: val is empty"),
        ([{"train": [], "val": ["a_1", "a_2", "b_1", "c_1"]}], "error: {}, fold 0: train is empty"),
        ([{"train": ["a_1", "a_2", ""], "val": ["b_1", "c_1"]}], "error: {}, fold 0: train holds 1 empty name, and"),
        ([{"train": ["a_1", "a_2"], "val": ["b_1", "", " ", "", "c_1"]}], "error: {}, fold 0: val holds 3 empty names"),
        (
            [{"train": ["a_1", "a_2"], "val": ["b_1", "c_1"]}, {"train": ["b_1"], "val": ["a_1", "a_2", "c_1"]}],
            "warning: {}: several folds validate 1 case (c_1)",
        ),
        (
            [{"train": ["a_1", "a_2", "c_1"], "val": ["b_1"]}, {"train": ["b_1", "c_1"], "val": ["a_1", "a_2"]}],
            "warning: {}: no fold validates 1 case (c_1)",
        ),
    ],
)
def test_entries_that_are_empty_doubled_or_out_of_balance_are_told(found, tmp_path, folds, message):
    lines = found(folds)
    assert len(lines) == 1
    assert lines[0].startswith(message.format(tmp_path / "splits_final.json"))


def test_a_csv_file_is_read_as_the_converter_reads_it(tmp_path):
    file = tmp_path / "folds.csv"
    file.write_text("case,fold\na_1,0\na_2,0\nb_1,1\nc_1,1\n")
    folds = read_folds(file, PATIENTS)
    assert folds == [{"train": ["b_1", "c_1"], "val": ["a_1", "a_2"]}, {"train": ["a_1", "a_2"], "val": ["b_1", "c_1"]}]
    assert check_splits({file: folds}, PATIENTS) == []
    file.write_text("case,fold\na_1,0\na_2,1\nb_1,0\nc_1,1\n")
    (finding,) = check_splits({file: read_folds(file, PATIENTS)}, PATIENTS)
    assert finding.severity == "error"
    assert "(a) with scans in train and in val" in finding.message


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
