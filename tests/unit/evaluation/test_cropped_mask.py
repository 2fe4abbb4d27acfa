"""Masks cut down to what is in them."""

import numpy as np

from nnunetv2_mstkd.evaluation.box import Box
from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask


def random_mask(seed, shape=(6, 7, 8)):
    mask = np.zeros(shape, bool)
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 4, 3)
    mask[tuple(slice(s, s + 3) for s in start)] = rng.random((3, 3, 3)) < 0.4
    return mask


def test_counts_and_overlaps_are_those_of_the_whole_volumes():
    for seed in range(30):
        a, b = random_mask(seed), random_mask(seed + 100)
        assert CroppedMask.of(a).count == a.sum()
        assert CroppedMask.of(a).overlap(CroppedMask.of(b)) == (a & b).sum()


def test_an_empty_mask_overlaps_with_nothing():
    empty = CroppedMask.of(np.zeros((6, 7, 8), bool))
    assert empty.count == 0
    assert empty.box is None
    assert empty.overlap(CroppedMask.of(random_mask(0))) == CroppedMask.of(random_mask(0)).overlap(empty) == 0


def test_a_part_of_a_volume_knows_where_it_is():
    lone = np.zeros((2, 2, 2), bool)
    lone[1, 0, 1] = True
    assert CroppedMask.of(lone, start=(3, 4, 5), shape=(6, 7, 8)).box == Box((4, 4, 6), (5, 5, 7))


def test_a_change_of_the_volume_afterwards_does_not_reach_the_crop():
    mask = np.ones((3, 3, 3), bool)
    cropped = CroppedMask.of(mask)
    mask[:] = False
    assert cropped.voxels.all()
