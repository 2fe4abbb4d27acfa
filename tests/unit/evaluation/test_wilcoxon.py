"""The signed-rank test, against enumeration of all signs and against scipy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from nnunetv2_mstkd.evaluation.wilcoxon import EXACT_UP_TO, signed_rank, smallest_p

RNG = np.random.default_rng(0)


def p_by_enumeration(differences):
    """Two-sided p over all choices of signs of the nonzero differences, with Pratt's mean ranks."""
    differences = np.asarray(differences, dtype=float)
    ranks = stats.rankdata(np.abs(differences))[differences != 0]
    observed = stats.rankdata(np.abs(differences))[differences > 0].sum()
    sums = np.array([sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in
                     itertools.product((0, 1), repeat=len(ranks))])  # fmt: skip
    tail = min((sums <= observed).mean(), (sums >= observed).mean())
    return min(1.0, 2 * tail)


@pytest.mark.parametrize(
    "differences",
    [
        [1.0, 2.0, 3.0, 4.0, 5.0],  # all of one sign
        [1.0, -2.0, 3.0, -4.0, 5.0, 6.0],
        [1.0, 1.0, -1.0, 2.0, 2.0, -3.0],  # ties
        [0.0, 0.0, 1.0, -2.0, 3.0, 4.0, 5.0],  # zeros
        [0.0, 1.0, 1.0, 1.0, -1.0, 2.0, 0.0],  # both
        [0.5],
        [3.0, -3.0],
    ],
)
def test_exact_p_is_the_share_of_all_signs(differences):
    assert signed_rank(differences).p == pytest.approx(p_by_enumeration(differences), abs=1e-12)


@pytest.mark.parametrize("n", [5, 12, 30, 200])
def test_exact_p_is_scipys_where_scipy_has_one(n):
    differences = RNG.normal(0.3, 1, n)
    found = signed_rank(differences)
    assert found.exact
    assert found.p == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue, rel=1e-10)


def test_many_zeros_do_not_make_few_differences_many():
    # 60 patients, 55 without a difference, 5 of one sign: 2 of 2^5 choices; the normal approximation says 0.025
    found = signed_rank([0.0] * 55 + [0.1, 0.2, 0.3, 0.4, 0.5])
    assert (found.n, found.zeros, found.exact) == (60, 55, True)
    assert found.p == pytest.approx(0.0625)


def test_with_zeros_and_ties_exact_p_is_that_of_drawn_signs():
    # a permutation test of the same ranks
    differences = np.round(RNG.normal(0.2, 1, 120), 1)
    ranks = stats.rankdata(np.abs(differences)) * (differences != 0)
    drawn = RNG.integers(0, 2, (20_000, 120), dtype=np.int8).astype(np.float32) @ ranks.astype(np.float32)
    observed = ranks[differences > 0].sum()
    expected = 2 * min((drawn <= observed).mean(), (drawn >= observed).mean())
    assert signed_rank(differences).p == pytest.approx(expected, abs=0.012)  # four standard errors


def test_above_the_bound_p_is_scipys_approximation():
    differences = np.round(RNG.normal(0.05, 1, EXACT_UP_TO + 100), 2)  # with zeros and ties
    found = signed_rank(differences)
    assert not found.exact
    assert found.zeros == (differences == 0).sum() > 0
    expected = stats.wilcoxon(differences, zero_method="pratt", method="approx").pvalue
    assert found.p == pytest.approx(expected, rel=1e-10)


def test_exact_and_approximate_p_meet():
    # at the bound both are of 1000 differences: the approximation may be off by a percent of p, not by more
    differences = RNG.normal(0.07, 1, EXACT_UP_TO)
    approximate = stats.wilcoxon(differences, zero_method="pratt", method="approx").pvalue
    assert signed_rank(differences).exact
    assert signed_rank(differences).p == pytest.approx(approximate, rel=0.01)


def test_all_zeros_give_one():
    found = signed_rank(np.zeros(7))
    assert (found.n, found.zeros, found.p, found.rank_biserial) == (7, 7, 1.0, 0.0)


def test_nan_is_no_pair():
    assert signed_rank([1.0, np.nan, 2.0, -3.0]) == signed_rank([1.0, 2.0, -3.0])


def test_no_pairs_give_nan():
    found = signed_rank([np.nan])
    assert found.n == 0
    assert np.isnan(found.p)
    assert np.isnan(found.rank_biserial)


def test_rank_biserial_by_hand():
    # |d| = 1 2 3 4 has ranks 1 2 3 4; positive: 1 + 3 + 4 = 8, negative: 2; (8 - 2) / 10
    assert signed_rank([1.0, -2.0, 3.0, 4.0]).rank_biserial == pytest.approx(0.6)
    # Pratt: the zero takes rank 1, the others 2 3; (3 - 2) / 5
    assert signed_rank([0.0, -1.0, 2.0]).rank_biserial == pytest.approx(0.2)


def test_the_sign_of_the_effect_turns_with_the_differences_and_p_stays():
    differences = RNG.normal(0.5, 1, 15)
    one, other = signed_rank(differences), signed_rank(-differences)
    assert one.p == pytest.approx(other.p)
    assert one.rank_biserial == pytest.approx(-other.rank_biserial)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 10])
def test_smallest_p_is_reached_by_differences_of_one_sign(n):
    assert signed_rank(np.arange(1, n + 1)).p == pytest.approx(smallest_p(n))
