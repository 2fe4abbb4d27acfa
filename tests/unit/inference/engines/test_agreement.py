"""Agreement of decisions, on logits whose answer is counted by hand."""

import pytest
import torch

from nnunetv2_mstkd.inference.engines.agreement import CLEAR_MARGIN, Agreement, compare, count_voxels, newly_told


def logits_of(*channels):
    return torch.tensor(channels)[None, :, :, None].float()


def near_bound(voxels, *, flipped=0, size=5000):
    """Return logits (1, 1, size, 1) of a region of so many voxels, the first of which are decided otherwise."""
    logits = torch.full((1, 1, size, 1), -0.5)
    logits[:, :, flipped:voxels] = 0.5
    return logits


def test_regions_are_decided_one_by_one_and_the_worst_counts():
    reference = logits_of([1, 1, -1, -1], [3, -3, -3, 0.5])
    found = logits_of([1, 1, -1, -1], [3, -3, 3, -0.5])
    # of the second region one voxel of 2 and 2 is in both; 2 change: one by a margin of 3, one by 0.5
    assert compare(reference, found, has_regions=True) == Agreement(0.5, 2, 1, (2, 2))


def test_labels_are_decided_by_the_largest_channel():
    reference = logits_of([5, 5, 5, 5], [0, 4.5, 9, 2], [1, 1, 1, 1])
    found = logits_of([4, 4, 5, 5], [0, 4.5, 9, 2], [1, 1, 1, 1])
    # label 1 is in voxel 2, and then in voxel 1 as well, where background was ahead by 5 - 4.5
    assert compare(reference, found, has_regions=False) == Agreement(2 / 3, 1, 0, (2, 0))
    found = logits_of([0, 5, 5, 5], [0, 4.5, 9, 2], [1, 1, 1, 1])
    # label 2, which was nowhere, is in voxel 0, where background was ahead by 5 - 1
    assert compare(reference, found, has_regions=False) == Agreement(0.0, 1, 1, (1, 1))


def test_background_is_no_label_that_could_hide_another():
    labels = (near_bound(100), near_bound(100, flipped=4))
    reference, found = (torch.cat([torch.zeros_like(label), label], 1) for label in labels)
    assert compare(reference, found, has_regions=False) == Agreement(2 * 96 / 196, 4, 0, (100,))


def test_a_small_region_is_held_to_the_bar_whatever_the_tile_has_around_it():
    # 4 voxels of 5000 are less than a thousandth, and 4 % of the region
    found = compare(near_bound(100), near_bound(100, flipped=4), has_regions=True)
    assert found == Agreement(2 * 96 / 196, 4, 0, (100,))
    assert not found.is_close
    assert compare(near_bound(100), near_bound(100, flipped=3), has_regions=True).is_close


def test_what_is_not_close_is_told_before_a_lower_dice_of_few_voxels():
    reference = torch.cat([near_bound(2), near_bound(1000)], 1)
    found = torch.cat([near_bound(2, flipped=2), near_bound(1000, flipped=10)], 1)
    assert compare(reference, found, has_regions=True) == Agreement(2 * 990 / 1990, 10, 0, (2, 1000))


def test_a_region_that_is_nowhere_agrees_with_itself():
    assert compare(near_bound(0), near_bound(0), has_regions=True) == Agreement(1.0, 0, 0, (0,))


def test_a_shift_of_all_labels_alike_changes_nothing():
    reference = torch.randn(1, 3, 8, 8)
    found = compare(reference, reference + 7, has_regions=False)
    assert (found.dice, found.voxels, found.clear_differences) == (1.0, 0, 0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("has_regions", [True, False])
def test_what_is_not_finite_never_agrees(broken, has_regions):
    reference = torch.ones(1, 2, 4, 4)
    logits = reference.clone()
    logits[0, 0, 0, 0] = broken
    assert not compare(reference, logits, has_regions=has_regions).is_close


@pytest.mark.parametrize(
    ("dice", "voxels", "clear", "expected"),
    [(0.998, 9, 0, True), (0.9979, 4, 0, False), (0.9979, 3, 0, True), (1.0, 0, 0, True), (0.9999, 1, 1, False)],
)
def test_the_bounds(dice, voxels, clear, expected):
    assert Agreement(dice, voxels, clear, (100,)).is_close is expected


def test_it_says_what_the_bounds_are_about():
    text = str(Agreement(0.99912, 12, 1, (100, 100)))
    assert text == (
        "Dice 0.99912 with torch in float32 in the region that agrees least, 12 voxels differ; by a margin above 1: 1"
    )
    assert str(Agreement(0.99912, 12, 1, (99, 100))) == f"{text}; told of 1 of 2 regions"


def test_a_voxel_at_the_margin_is_not_clear():
    reference = torch.full((1, 1, 40, 50), CLEAR_MARGIN)
    found = reference.clone()
    found[0, 0, 0, 0] = -1
    assert compare(reference, found, has_regions=True).is_close  # 1 of 2000
    reference[0, 0, 0, 0] += 0.01
    assert not compare(reference, found, has_regions=True).is_close


def test_voxels_are_of_each_region_or_of_each_label_but_the_first():
    assert count_voxels(logits_of([-1, -1, 1], [-1, 1, 1]), has_regions=True).tolist() == [[1, 2]]
    two = torch.cat([logits_of([1, 1], [0, 0], [0, 0]), logits_of([1, 1], [0, 2], [2, 0])])
    assert count_voxels(two, has_regions=False).tolist() == [[0, 0], [1, 1]]


def test_a_region_is_told_of_by_a_hundred_voxels_of_one_or_the_other():
    assert not compare(near_bound(99), near_bound(99), has_regions=True).is_complete
    assert compare(near_bound(100), near_bound(100), has_regions=True).is_complete
    assert compare(near_bound(100), near_bound(100, flipped=1), has_regions=True).is_complete
    assert compare(near_bound(100, flipped=1), near_bound(100), has_regions=True).is_complete


def test_what_tiles_told_is_told_together():
    first, second = Agreement(0.9999, 1, 0, (500, 3)), Agreement(0.9985, 2, 0, (20, 100))
    assert first.joined(second) == second.joined(first) == Agreement(0.9985, 2, 0, (500, 100))
    assert first.joined(second).is_complete
    far = Agreement(0.99, 9, 0, (0, 100))
    few = Agreement(0.5, 1, 0, (2, 0))  # of so few voxels that it is close
    assert far.joined(few) == few.joined(far) == Agreement(0.99, 9, 0, (2, 100))
    assert not far.joined(few).is_close


def test_a_tile_is_news_by_the_regions_of_which_nothing_was_told():
    voxels = torch.tensor([[500, 99, 0], [100, 100, 99], [0, 100, 100]])
    assert newly_told(voxels, None).tolist() == [1, 2, 2]
    assert newly_told(voxels, Agreement(1.0, 0, 0, (99, 100, 0))).tolist() == [1, 1, 1]
    assert newly_told(voxels, Agreement(1.0, 0, 0, (100, 100, 0))).tolist() == [0, 0, 1]
    assert newly_told(voxels, Agreement(1.0, 0, 0, (100, 100, 100))).tolist() == [0, 0, 0]
