"""Holm's correction."""

import numpy as np
import pytest

from nnunetv2_mstkd.evaluation.holm import holm


def test_by_hand():
    # sorted 0.005 0.01 0.03 0.04 times 4 3 2 1 = 0.02 0.03 0.06 0.04; the last may not fall below the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_p_never_exceeds_one():
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]


def test_nan_is_no_test():
    # two tests: 0.01 * 2, 0.04 * 1
    found = holm([0.01, np.nan, 0.04])
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(found[1])


def test_shape_stays():
    assert holm([[0.01, 0.02], [0.03, 0.04]]).shape == (2, 2)


def test_a_family_of_one_is_not_corrected():
    assert holm([0.04]) == pytest.approx([0.04])
    assert holm([]).shape == (0,)


def test_rejections_are_those_of_the_stepwise_procedure():
    # the definition: compare the sorted p with alpha / (m - i), stop at the first that is larger
    rng = np.random.default_rng(1)
    for _ in range(20):
        p = rng.uniform(0, 0.05, 12) ** 2 * 20
        rejected = np.zeros(12, bool)
        for i, place in enumerate(np.argsort(p)):
            if p[place] > 0.05 / (12 - i):
                break
            rejected[place] = True
        assert ((holm(p) <= 0.05) == rejected).all()
