"""Agreement of decisions, on logits whose answer is counted by hand."""

import pytest
import torch

from nnunetv2_mstkd.inference.engines.agreement import CLEAR_MARGIN, Agreement, compare, has_foreground


def logits_of(*channels):
    return torch.tensor(channels)[None, :, :, None].float()


def test_regions_are_decided_one_by_one_and_the_worst_counts():
    reference = logits_of([1, 1, -1, -1], [3, -3, -3, 0.5])
    found = logits_of([1, 1, -1, -1], [3, -3, 3, -0.5])
    # of the second region 2 of 4 voxels change: one by a margin of 3, one by 0.5
    assert compare(reference, found, has_regions=True) == Agreement(0.5, 1)


def test_labels_are_decided_by_the_largest_channel():
    reference = logits_of([5, 5, 5, 5], [0, 4.5, 9, 2], [1, 1, 1, 1])
    found = logits_of([0, 4, 5, 5], [0, 4.5, 9, 2], [1, 1, 1, 1])
    # voxel 0 changes by a margin of 5 - 1, voxel 1 by 5 - 4.5
    assert compare(reference, found, has_regions=False) == Agreement(0.5, 1)


def test_a_shift_of_all_labels_alike_changes_nothing():
    reference = torch.randn(1, 3, 8, 8)
    assert compare(reference, reference + 7, has_regions=False) == Agreement(1.0, 0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_not_finite_never_agrees(broken):
    reference = torch.ones(1, 1, 4, 4)
    logits = reference.clone()
    logits[0, 0, 0, 0] = broken
    assert not compare(reference, logits, has_regions=True).is_close


@pytest.mark.parametrize(
    ("share", "clear", "expected"), [(0.999, 0, True), (0.9989, 0, False), (1.0, 0, True), (0.9999, 1, False)]
)
def test_the_bounds(share, clear, expected):
    assert Agreement(share, clear).is_close is expected


def test_a_voxel_at_the_margin_is_not_clear():
    reference = torch.full((1, 1, 40, 50), CLEAR_MARGIN)
    found = reference.clone()
    found[0, 0, 0, 0] = -1
    assert compare(reference, found, has_regions=True).is_close  # 1 of 2000
    reference[0, 0, 0, 0] += 0.01
    assert not compare(reference, found, has_regions=True).is_close


def test_foreground_is_any_region_or_any_label_but_the_first():
    assert has_foreground(logits_of([-1, -1], [-1, 1]), has_regions=True)
    assert not has_foreground(logits_of([-1, -1], [-1, -1]), has_regions=True)
    assert not has_foreground(logits_of([1, 1], [0, 0]), has_regions=False)
    assert has_foreground(logits_of([1, 1], [0, 2]), has_regions=False)
