"""Worst, median and best."""

import numpy as np

from nnunetv2_mstkd.benchmark.report.case_choice import choose_cases, typical_subset

NAN = float("nan")


def chosen(*values: float) -> dict[str, str]:
    names = [f"p{i}" for i in range(len(values))]
    return {choice.reason: choice.case for choice in choose_cases(names, np.array(values))}


def test_worst_median_and_best_are_chosen():
    assert chosen(0.9, 0.1, 0.5, 0.4, NAN, 0.7) == {"worst": "p1", "median": "p2", "best": "p0"}


def test_of_two_middle_ones_the_lower_is_the_median():
    assert chosen(0.1, 0.4, 0.6, 0.9)["median"] == "p1"


def test_few_patients_are_shown_once():
    assert chosen(0.3, 0.2) == {"worst": "p1", "best": "p0"}
    assert chosen(0.3) == {"only": "p0"}
    assert chosen(NAN) == {}


def test_the_typical_subset_has_the_median_gain():
    assert typical_subset(["a", "b", "c", "d"], np.array([0.3, NAN, -0.1, 0.1])) == "d"
    assert typical_subset(["a", "b"], np.array([NAN, NAN])) == "b"
