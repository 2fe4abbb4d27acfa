"""Lesion-wise comparison, by hand-made lesions."""

import numpy as np
import pytest

from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask
from nnunetv2_mstkd.evaluation.lesions import LesionReference

SHAPE = (40, 40, 40)


def cubes(*starts, side=4, shape=SHAPE):
    mask = np.zeros(shape, bool)
    for start in starts:
        mask[tuple(slice(s, s + side) for s in start)] = True
    return mask


def compare(reference, prediction, spacing_mm=(1.0, 1.0, 1.0)):
    return LesionReference(CroppedMask.of(reference), spacing_mm).compare(CroppedMask.of(prediction))


A, B, C = (4, 4, 4), (4, 4, 24), (28, 28, 28)  # cubes of 64 mm^3 each, far apart


def test_each_lesion_that_was_found_exactly_is_perfect():
    facts = compare(cubes(A, B), cubes(A, B))
    assert (facts.volumes_mm3, facts.dice, facts.hd95_mm, facts.false_positives) == ((64, 64), (1, 1), (0, 0), 0)


def test_a_missed_lesion_scores_nothing_and_a_component_elsewhere_is_a_false_positive():
    facts = compare(cubes(A, B), cubes(B, C))
    assert (facts.dice, facts.hd95_mm, facts.false_positives) == ((0, 1), (None, 0), 1)
    assert facts.mean_dice == pytest.approx(1 / 3)  # of 0 (A), 1 (B), 0 (C)
    assert facts.mean_hd95_mm == pytest.approx(748 / 3)  # of 374, 0, 374


def test_a_lesion_is_compared_to_what_touches_it_alone():
    # A shifted by 2 of 4: half of it overlaps, Dice 1/2. Its distances are not those to B.
    moved = (6, 4, 4)
    facts = compare(cubes(A, B), cubes(moved, B))
    assert facts.dice == (0.5, 1)
    assert facts.hd95_mm[0] == 2.0


# Dilated by 3, cubes with a gap of 6 voxels just touch at their dilated faces; with 7 they are one voxel short of that.
@pytest.mark.parametrize(("gap", "lesions"), [(3, 1), (6, 1), (7, 2)])
def test_parts_of_the_reference_close_to_each_other_are_one_lesion(gap, lesions):
    reference = cubes(A, (4, 4, 8 + gap))
    facts = compare(reference, reference)
    assert len(facts.dice) == lesions
    assert sum(facts.volumes_mm3) == 128  # the dilation only joins: it adds no voxel
    assert facts.dice == (1.0,) * lesions


# The surroundings of A end 3 voxels beyond it: a component that begins at the third touches, at the fourth does not.
@pytest.mark.parametrize(("distance", "touches"), [(3, True), (4, False)])
def test_a_component_in_the_surroundings_belongs_to_the_lesion_though_it_misses_it(distance, touches):
    facts = compare(cubes(A), cubes((4, 4, 7 + distance)))
    assert facts.dice == (0,)
    assert facts.false_positives == (0 if touches else 1)
    assert (facts.hd95_mm[0] is not None) == touches


# Faces and edges, three times: up to three steps along each axis and six in all. The corner of A is at (7, 7, 7).
@pytest.mark.parametrize(
    ("voxel", "touches"), [((10, 10, 7), True), ((9, 9, 9), True), ((10, 10, 8), False), ((10, 10, 10), False)]
)
def test_the_surroundings_of_a_corner(voxel, touches):
    facts = compare(cubes(A), cubes(voxel, side=1))
    assert facts.false_positives == (0 if touches else 1)


def test_a_component_that_touches_two_lesions_belongs_to_both():
    bridge = np.zeros(SHAPE, bool)
    bridge[4:8, 4:8, 4:28] = True  # A, B and all between
    facts = compare(cubes(A, B), bridge)
    assert facts.dice == pytest.approx((2 * 64 / (64 + 384),) * 2)
    assert facts.false_positives == 0


def test_two_components_near_one_lesion_are_taken_together():
    halves = cubes(A)
    halves[6] = False  # the third of four layers is missing: two components, 48 voxels
    facts = compare(cubes(A), halves)
    assert facts.dice == pytest.approx((2 * 48 / (64 + 48),))
    assert facts.false_positives == 0


def test_components_that_share_a_corner_are_one():
    chain = cubes(C) | cubes((32, 32, 32))  # from (31, 31, 31) to (32, 32, 32)
    assert compare(cubes(A), chain).false_positives == 1


def test_small_lesions_are_not_scored_but_what_finds_them_is_no_false_positive():
    small = cubes((30, 4, 4), side=2)  # 8 mm^3
    facts = compare(cubes(A) | small, cubes(A) | small)
    assert facts.volumes_mm3 == (64, 8)
    assert (facts.mean_dice, facts.mean_hd95_mm, facts.false_positives) == (1, 0, 0)
    missed = compare(cubes(A) | small, cubes(A))
    assert (missed.mean_dice, missed.mean_hd95_mm) == (1, 0)


def test_volumes_and_distances_take_the_spacing():
    facts = compare(cubes(A), cubes((5, 4, 4)), spacing_mm=(3.0, 1.0, 0.5))
    assert facts.volumes_mm3 == (96,)  # 64 voxels of 1.5 mm^3
    assert facts.hd95_mm == (3.0,)


def test_empty_masks():
    empty = np.zeros(SHAPE, bool)
    assert compare(empty, cubes(A, B)).false_positives == 2
    assert compare(cubes(A, B), empty).hd95_mm == (None, None)
    assert np.isnan(compare(empty, empty).mean_dice)


def test_lesions_at_the_border_of_the_volume():
    corner = cubes((0, 0, 0), (36, 36, 36))
    facts = compare(corner, corner)
    assert (facts.dice, facts.hd95_mm) == ((1, 1), (0, 0))


@pytest.mark.parametrize("shape", [(30, 30), (1, 30, 30)])
def test_one_slice_is_treated_in_its_plane(shape):
    truth, found = np.zeros(shape, bool), np.zeros(shape, bool)
    truth[..., 2:12, 2:12] = truth[..., 20:28, 20:28] = True
    found[..., 2:12, 4:14] = True  # shifted by 2 of 10
    facts = compare(truth, found, (1.0,) * len(shape))
    assert facts.dice == (0.8, 0)
    assert facts.hd95_mm == (2.0, None)
