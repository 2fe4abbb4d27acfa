"""Boxes of voxels."""

import numpy as np
import pytest

from nnunetv2_mstkd.evaluation.box import Box


@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6), (1, 5, 6)])
def test_the_box_around_a_mask_is_that_of_its_indices(shape):
    for seed in range(20):
        mask = np.random.default_rng(seed).random(shape) < 0.1
        indices = np.nonzero(mask)
        if not mask.any():
            assert Box.around(mask) is None
            continue
        box = Box.around(mask)
        assert box.start == tuple(i.min() for i in indices)
        assert box.stop == tuple(i.max() + 1 for i in indices)


def test_a_mask_without_voxels_or_without_room_has_no_box():
    assert Box.around(np.zeros((3, 4, 5), bool)) is None
    assert Box.around(np.zeros((0, 4, 5), bool)) is None


def test_a_full_mask_has_the_box_of_the_volume():
    assert Box.around(np.ones((3, 4, 5), bool)) == Box.whole((3, 4, 5)) == Box((0, 0, 0), (3, 4, 5))


def test_union_and_intersection_by_hand():
    a, b = Box((0, 2), (4, 5)), Box((3, 0), (6, 3))
    assert a.union(b) == Box((0, 0), (6, 5))
    assert a.intersection(b) == Box((3, 2), (4, 3))


def test_boxes_that_only_touch_have_no_voxel_in_common():
    assert Box((0, 0), (2, 2)).intersection(Box((2, 0), (4, 2))) is None
    assert Box((0, 0), (2, 2)).intersection(Box((5, 5), (6, 6))) is None


def test_a_box_contains_itself_and_what_is_inside():
    box = Box((1, 1), (5, 5))
    assert box.contains(box)
    assert box.contains(Box((2, 1), (5, 3)))
    assert not box.contains(Box((0, 1), (5, 5)))


def test_growth_ends_at_the_volume():
    assert Box((1, 4), (3, 6)).grown((2, 1), (10, 6)) == Box((0, 3), (5, 6))


def test_a_box_within_another_cuts_the_same_voxels():
    volume = np.arange(60).reshape(6, 10)
    outer, inner = Box((1, 2), (6, 9)), Box((2, 4), (4, 7))
    assert (volume[outer.slices][inner.within(outer)] == volume[2:4, 4:7]).all()
    assert inner.shape == (2, 3)
