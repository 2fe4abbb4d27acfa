"""A patient's mean is compared with what it can be compared with."""

import numpy as np
import pytest

from nnunetv2_mstkd.benchmark.report.patient_table import make_patient_table

NAN = np.nan
# (models, subsets, 1 region, cases): the second model lacks the first subset, the third the second patient's first
VALUES = np.array([[[[0.2, 0.4]], [[0.6, 0.8]]], [[[NAN, NAN]], [[0.7, 0.7]]], [[[0.3, NAN]], [[0.8, 0.9]]]])


@pytest.fixture
def table():
    return make_patient_table(["base", "part", "gap"], "base", ["a", "b"], VALUES)


def test_differences_are_over_the_common_subsets(table):
    # part: 0.7 - 0.6 and 0.7 - 0.8; gap: (0.1 + 0.2) / 2 and 0.9 - 0.8
    assert [row.differences for row in table.rows] == [pytest.approx((0.1, 0.15)), pytest.approx((-0.1, 0.1))]


def test_a_patient_who_lacks_a_subset_has_no_mean(table):
    assert table.rows[0].values == pytest.approx((0.4, 0.7, 0.55))
    assert table.rows[1].values == pytest.approx((0.6, 0.7, NAN), nan_ok=True)


def test_a_model_that_lacks_a_subset_says_so(table):
    assert [heading.over for heading in table.models] == ["", "over 1 of 2 subsets", ""]
    assert [heading.over for heading in table.others] == ["over 1 of 2 subsets", ""]
