"""A reference mask and predictions, by hand."""

import numpy as np
import pytest

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.metrics import metric_value
from nnunetv2_mstkd.evaluation.reference import Reference


def cube(start, side=4, shape=(20, 20, 20)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(s, s + side) for s in start)] = True
    return mask


def test_a_mask_compared_to_itself_is_perfect():
    mask = cube((3, 4, 5))
    assert Reference(mask, (1, 2, 3)).compare(mask) == MaskFacts(64, 64, 64, 0.006, 0.0, 0.0, 0.0, 1.0)


def test_two_single_voxels_are_as_far_apart_as_their_centres():
    a, b = cube((2, 2, 2), 1), cube((5, 6, 2), 1)
    facts = Reference(a, (1, 1, 1)).compare(b)  # 3-4-5 triangle
    assert facts == MaskFacts(1, 1, 0, 0.001, 5.0, 5.0, 5.0, 0.0)
    assert Reference(a, (2, 0.5, 9)).compare(b).hd95_reference_mm == pytest.approx((6**2 + 2**2) ** 0.5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_parallel_plates_have_one_distance(axis):
    a, b = np.zeros((9, 10, 11), bool), np.zeros((9, 10, 11), bool)
    np.moveaxis(a, axis, 0)[1] = True
    np.moveaxis(b, axis, 0)[5] = True
    spacing_mm = (3.0, 0.75, 1.25)
    facts = Reference(a, spacing_mm, tolerance_mm=4 * spacing_mm[axis]).compare(b)
    assert facts.hd95_reference_mm == facts.hd95_prediction_mm == facts.hd95_pooled_mm == 4 * spacing_mm[axis]
    assert facts.nsd == 1.0
    assert Reference(a, spacing_mm, tolerance_mm=3.9 * spacing_mm[axis]).compare(b).nsd == 0.0


def test_the_two_directions_are_not_mixed_up():
    # The prediction has the reference, and a voxel 10 mm off: from the reference all is near; from the prediction, of
    # 2 surface voxels (distances 0 and 10) the 95th percentile is 9.5.
    reference = cube((2, 2, 2), 1)
    facts = Reference(reference, (1, 1, 1)).compare(reference | cube((2, 2, 12), 1))
    assert (facts.hd95_reference_mm, facts.hd95_prediction_mm) == (0.0, pytest.approx(9.5))
    assert facts.hd95_pooled_mm == pytest.approx(9.0)  # of 0, 0, 10
    assert facts.nsd == pytest.approx(2 / 3)


def test_an_empty_mask_leaves_distances_undefined():
    mask, empty = cube((2, 2, 2)), np.zeros((20, 20, 20), bool)
    assert Reference(empty, (1, 1, 1)).compare(mask) == MaskFacts(0, 64, 0, 0.001, None, None, None, None)
    assert Reference(mask, (1, 1, 1)).compare(empty) == MaskFacts(64, 0, 0, 0.001, None, None, None, None)
    assert Reference(empty, (1, 1, 1)).compare(empty) == MaskFacts(0, 0, 0, 0.001, None, None, None, None)


def test_all_foreground_has_the_border_as_its_surface():
    full = np.ones((5, 5, 5), bool)
    facts = Reference(full, (1, 1, 1)).compare(cube((2, 2, 2), 1, (5, 5, 5)))
    # 98 border voxels, the corners sqrt(12) from the centre; from the centre to the border 2
    assert (facts.voxels_reference, facts.voxels_both, facts.hd95_prediction_mm) == (125, 1, 2.0)
    # sorted: 8 corners are the largest of 98; the 95th percentile is at index 97 * 0.95 = 92.15, among them
    assert facts.hd95_reference_mm == pytest.approx(12**0.5)


@pytest.mark.parametrize("z_mm", [0.001, 1.0, 999.0])
def test_an_image_of_one_slice_is_measured_in_its_plane(z_mm):
    rng = np.random.default_rng(0)
    a, b = rng.random((30, 40)) < 0.6, rng.random((30, 40)) < 0.6
    flat = Reference(a, (0.5, 0.8)).compare(b)
    slices = Reference(a[None], (z_mm, 0.5, 0.8)).compare(b[None])
    for metric in ("dice", "hd95", "hd95_pooled", "nsd"):
        assert metric_value(slices, metric) == metric_value(flat, metric)
    assert slices.voxel_ml == pytest.approx(flat.voxel_ml * z_mm)


def test_the_reference_is_not_changed_through_the_callers_array():
    mask = cube((3, 3, 3))
    reference = Reference(mask, (1, 1, 1))
    mask[:] = False
    assert reference.compare(cube((3, 3, 3))).hd95_reference_mm == 0.0


def test_lesions_are_only_measured_when_asked_for():
    mask = cube((3, 3, 3))
    assert Reference(mask, (1, 1, 1)).compare(mask).lesions is None
    assert Reference(mask, (1, 1, 1), lesion_wise=True).compare(mask).lesions.dice == (1.0,)


def test_another_shape_is_an_error_that_shows_both():
    with pytest.raises(EvaluationError, match=r"\(20, 20, 19\).*\(20, 20, 20\)"):
        Reference(cube((3, 3, 3)), (1, 1, 1)).compare(cube((3, 3, 3), shape=(20, 20, 19)))


def test_label_maps_are_no_masks():
    with pytest.raises(EvaluationError, match=r"reference is an array of uint8"):
        Reference(cube((3, 3, 3)).astype(np.uint8), (1, 1, 1))
    with pytest.raises(EvaluationError, match=r"prediction is an array of float32"):
        Reference(cube((3, 3, 3)), (1, 1, 1)).compare(cube((3, 3, 3)).astype(np.float32))


@pytest.mark.parametrize("spacing_mm", [(1, 1), (1, 1, 0), (1, 1, -2), (1, 1, float("nan")), (1, float("inf"), 1)])
def test_an_unusable_spacing_is_an_error(spacing_mm):
    with pytest.raises(EvaluationError, match="spacing must be 3 positive numbers"):
        Reference(cube((3, 3, 3)), spacing_mm)


@pytest.mark.parametrize("tolerance_mm", [-1, float("nan"), float("inf")])
def test_an_unusable_tolerance_is_an_error(tolerance_mm):
    with pytest.raises(EvaluationError, match="tolerance"):
        Reference(cube((3, 3, 3)), (1, 1, 1), tolerance_mm=tolerance_mm)
