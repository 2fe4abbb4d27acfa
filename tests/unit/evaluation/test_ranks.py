"""Ranks of models."""

import numpy as np

from nnunetv2_mstkd.evaluation.ranks import case_ranks


def test_the_best_is_first_and_ties_share():
    # columns: cases
    dice = [[0.9, 0.5, 0.7], [0.8, 0.5, 0.7], [0.7, 0.6, 0.7]]
    assert case_ranks(dice, higher_is_better=True).tolist() == [[1, 2.5, 2], [2, 2.5, 2], [3, 1, 2]]


def test_of_a_distance_the_smallest_is_first():
    assert case_ranks([[373.13], [0.0]], higher_is_better=False).tolist() == [[2], [1]]


def test_a_place_without_one_model_is_not_ranked():
    ranks = case_ranks([[0.9, np.nan], [0.8, 0.5]], higher_is_better=True)
    assert ranks[:, 0].tolist() == [1, 2]
    assert np.isnan(ranks[:, 1]).all()


def test_ranks_of_a_place_add_up():
    values = np.random.default_rng(0).integers(0, 4, (5, 3, 7)).astype(float)
    assert (case_ranks(values, higher_is_better=True).sum(axis=0) == 15).all()
