"""Splits from files and partitions, and what is refused in them."""

import json

import pytest

from nnunetv2_mstkd.datasets.conversion.given_splits import partition_splits, read_splits
from nnunetv2_mstkd.errors import ConversionError

PATIENTS = {"a_1": "a", "a_2": "a", "b_1": "b", "c_1": "c"}
SOUND = [{"train": ["a_1", "a_2", "b_1"], "val": ["c_1"]}, {"train": ["b_1", "c_1"], "val": ["a_1", "a_2"]}]


@pytest.fixture
def given(tmp_path):
    """Return a function that writes splits, and reads them back."""

    def give(content, name="splits.json", **options):
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return read_splits(tmp_path / name, PATIENTS, **options)

    return give


def refusal(given, *content) -> str:
    with pytest.raises(ConversionError) as error:
        given(*content)
    return str(error.value)


def test_sound_splits_are_taken_as_they_are(given):
    assert given(SOUND) == (SOUND, [])


def test_a_csv_file_says_in_which_fold_a_case_is_validated(given):
    splits, warnings = given("case,fold\nc_1,0\na_1,1\na_2,1\nb_1,2\n", "folds.csv")
    assert [fold["val"] for fold in splits] == [["c_1"], ["a_1", "a_2"], ["b_1"]]
    assert splits[0]["train"] == ["a_1", "a_2", "b_1"]
    assert warnings == []


@pytest.mark.parametrize(
    ("train", "val", "says"),
    [
        (["a_1", "a_2", "x"], ["b_1"], "fold 0: train names 1 case (x) that the dataset does not have"),
        (["a_1", "a_2", "b_1"], ["b_1"], "fold 0: 1 case (b_1) in train and in val"),
        (["a_1", "b_1"], ["a_2", "c_1"], "fold 0: 1 patient (a) with scans in train and in val"),
        (["a_1", "a_2", "b_1", "b_1"], ["c_1"], "fold 0: entry 4 of train names 'b_1' again, after entry 3"),
        (["a_1", "a_2", "b_1", "c_1"], [], "fold 0: val is empty"),
        (["a_1", "a_2", " "], ["c_1"], "fold 0: entry 3 of train is empty"),
    ],
)
def test_faults_are_told_with_the_fold(given, train, val, says):
    assert says in refusal(given, [{"train": train, "val": val}])


@pytest.mark.parametrize("content", ["{", "{}", "[]", '[{"train": ["a_1"]}]', '[{"train": "a_1", "val": ["b_1"]}]'])
def test_what_is_no_splits_file_is_refused(given, content):
    assert "splits.json cannot be used as splits: " in refusal(given, content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name,fold\na_1,0\n", "the columns case,fold"),
        ("case,fold\na_1,x\n", "line 2 has the case 'a_1' and the fold 'x'"),
        ("case,fold\na_1,0\na_1,1\n", "line 3 names 'a_1' again"),
        ("case,fold\n,0\na_1,1\n", "line 2 has the case '' and the fold '0'"),
        ('case,fold\n"a_1",0\n\nx,1\n', "line 4 names 'x', which the dataset does not have; it has 'a_1'"),
        ("case,fold\na_1,0\n\nc_1,1\n\nc_1,0\n", "line 6 names 'c_1' again, after line 4"),
        ("case,fold\na_1,99999999999\n", "its folds are [99999999999]: they must be 0, 1"),
        ("case,fold\n", "its folds are []"),
        ("case,fold\na_1,1\nb_1,2\n", "its folds are [1, 2]: they must be 0, 1"),
        ("case,fold\na_1,0\na_2,1\nb_1,1\nc_1,0\n", "1 patient (a) with scans in train and in val"),
    ],
)
def test_faults_of_csv_files_are_told(given, content, says):
    assert says in refusal(given, content, "folds.csv")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConversionError, match=r"none\.json cannot be used as splits: .*No such file"):
        read_splits(tmp_path / "none.json", PATIENTS)


def test_cases_that_a_fold_does_not_use_are_a_warning(given):
    _, warnings = given([{"train": ["a_1"], "val": ["b_1"]}])
    assert warnings == [
        "fold 0 uses 2 cases (a_2, c_1) neither for training nor for validation",
        "fold 0 uses other scans of 1 patient (a): do not test with what is left",
    ]


def test_cases_that_were_left_out_may_be_named(given):
    splits, _ = given([{"train": ["a_1", "a_2", "faulty"], "val": ["b_1", "c_1"]}], left_out={"faulty"})
    assert splits == [{"train": ["a_1", "a_2"], "val": ["b_1", "c_1"]}]


def test_a_partition_leaves_one_institution_out_of_each_fold():
    partitions = {"partitioning_1": {"a": "10", "b": "2", "c": "10", "unused": "7"}}
    splits, parts = partition_splits("partitioning_1", partitions, PATIENTS)
    assert parts == ["2", "10"]  # as numbers
    assert splits == [
        {"train": ["a_1", "a_2", "c_1"], "val": ["b_1"]},
        {"train": ["b_1"], "val": ["a_1", "a_2", "c_1"]},
    ]


@pytest.mark.parametrize(
    ("partitions", "says"),
    [
        ({}, "no partition 'p'. Its partitions are none: FeTS has them"),
        ({"q": {}}, "no partition 'p'. Its partitions are q"),
        ({"p": {"a": "1", "b": "2"}}, "'p' lacks 1 patient (c)"),
        ({"p": {"a": "1", "b": "1", "c": "1"}}, "All patients are in part '1' of 'p'"),
    ],
)
def test_partitions_that_cannot_be_used_are_refused(partitions, says):
    with pytest.raises(ConversionError) as error:
        partition_splits("p", partitions, PATIENTS)
    assert says in str(error.value)


def test_all_lines_of_a_csv_file_are_told(given):
    told = refusal(given, "case,fold\nx,0\na_1,\ny,1\n", "folds.csv")
    assert [line.split(" has ")[0].split(" names ")[0].strip() for line in told.splitlines()[1:]] == [
        "line 2",
        "line 3",
        "line 4",
    ]


def test_a_case_that_two_folds_validate_is_refused(given):
    told = refusal(given, [*SOUND, {"train": ["a_1", "a_2", "b_1"], "val": ["c_1"]}])
    assert told.endswith("\n  fold 2: val names 1 case (c_1) that fold 0 validates: a case is validated once")
