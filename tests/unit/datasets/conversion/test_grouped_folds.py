"""Folds are grouped by patient, balanced, and the same again."""

from collections import Counter

import pytest

from nnunetv2_mstkd.datasets.conversion.grouped_folds import grouped_folds
from nnunetv2_mstkd.datasets.conversion.options import FOLDS
from nnunetv2_mstkd.errors import ConversionError

# 23 patients; those with an even number have two scans, those with a number below 9 lack something in the first one
PATIENTS = {f"p{i:02d}_{scan}": f"p{i:02d}" for i in range(23) for scan in range(1 + (i % 2 == 0))}
INCOMPLETE = [case for case in PATIENTS if int(case[1:3]) < 9 and case.endswith("_0")]


def test_each_case_is_validated_once_and_trains_otherwise():
    folds = grouped_folds(PATIENTS, INCOMPLETE, FOLDS)
    assert Counter(case for fold in folds for case in fold["val"]) == Counter(PATIENTS.keys())
    assert all(sorted(fold["train"] + fold["val"]) == sorted(PATIENTS) for fold in folds)


def test_no_patient_is_on_both_sides():
    for fold in grouped_folds(PATIENTS, INCOMPLETE, FOLDS):
        assert not {PATIENTS[case] for case in fold["train"]} & {PATIENTS[case] for case in fold["val"]}


def test_folds_have_as_many_cases_and_incomplete_ones_as_can_be():
    folds = grouped_folds(PATIENTS, INCOMPLETE, FOLDS)
    assert sorted(len(fold["val"]) for fold in folds) == [7, 7, 7, 7, 7]  # 35 cases
    assert sorted(len(set(fold["val"]) & set(INCOMPLETE)) for fold in folds) == [1, 2, 2, 2, 2]  # 9 of them


def test_incomplete_cases_even_out_first():
    # dealing by the number of cases alone would put b, c and d against a
    patients = {"a_1": "a", "a_2": "a", "a_3": "a", "b": "b", "c": "c", "d": "d", "e": "e", "f": "f"}
    folds = grouped_folds(patients, ("a_1", "b", "c", "d"), folds=2)
    assert [len({"a_1", "b", "c", "d"} & set(fold["val"])) for fold in folds] == [2, 2]
    assert [len(fold["val"]) for fold in folds] == [4, 4]


def test_equal_seeds_give_equal_folds_whatever_the_order_of_the_cases():
    again = dict(reversed(PATIENTS.items()))
    assert grouped_folds(PATIENTS, INCOMPLETE, FOLDS) == grouped_folds(again, INCOMPLETE[::-1], FOLDS)
    assert grouped_folds(PATIENTS, INCOMPLETE, FOLDS) != grouped_folds(PATIENTS, INCOMPLETE, FOLDS, seed=1)


def test_fewer_patients_than_folds_make_fewer_folds():
    folds = grouped_folds({"a_1": "a", "a_2": "a", "b": "b", "c": "c"}, (), FOLDS)
    assert sorted(tuple(fold["val"]) for fold in folds) == [("a_1", "a_2"), ("b",), ("c",)]


def test_one_patient_is_refused():
    with pytest.raises(ConversionError, match=r"There are 2 cases of one patient only, 'a'.*--patient"):
        grouped_folds({"a_1": "a", "a_2": "a"}, (), FOLDS)
