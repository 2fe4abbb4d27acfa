"""Shapley values."""

from itertools import permutations

import numpy as np
import pytest

from nnunetv2_mstkd.evaluation.shapley import shapley_values

RNG = np.random.default_rng(0)


def by_orders(worth):
    """The definition: what each player adds, averaged over all orders."""
    count = len(worth).bit_length() - 1
    values = np.zeros(count)
    orders = list(permutations(range(count)))
    for order in orders:
        code = 0
        for player in order:
            values[player] += worth[code | 1 << player] - worth[code]
            code |= 1 << player
    return values / len(orders)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_values_are_the_mean_over_all_orders(count):
    worth = RNG.uniform(size=2**count)
    assert shapley_values(worth) == pytest.approx(by_orders(worth))


def test_values_add_up_to_what_all_gain():
    worth = RNG.uniform(size=(3, 16))
    assert shapley_values(worth).sum(axis=-1) == pytest.approx(worth[:, -1] - worth[:, 0])


def test_additive_worth_gives_each_its_own():
    own = np.array([1.0, 2.0, 4.0, 8.0])
    worth = [sum(own[c] for c in range(4) if code >> c & 1) for code in range(16)]
    assert shapley_values(worth) == pytest.approx(own)


def test_the_glove_game_by_hand():
    # players 0 and 1 have a left glove, 2 a right one; a pair is worth 1: textbook values 1/6, 1/6, 2/3
    worth = [float(code & 0b100 != 0 and code & 0b011 != 0) for code in range(8)]
    assert shapley_values(worth) == pytest.approx([1 / 6, 1 / 6, 2 / 3])


def test_a_modality_that_adds_nothing_has_zero():
    worth = np.repeat(RNG.uniform(size=8), 2)  # bit 0 changes nothing
    assert shapley_values(worth)[0] == pytest.approx(0)


def test_a_missing_subset_leaves_nothing_known():
    worth = RNG.uniform(size=16)
    worth[5] = np.nan
    assert np.isnan(shapley_values(worth)).all()


@pytest.mark.parametrize("count", [0, 1, 3, 15])
def test_other_lengths_are_refused(count):
    with pytest.raises(ValueError, match=f"there are {count}"):
        shapley_values(np.zeros(count))
