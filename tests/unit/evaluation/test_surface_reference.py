"""One reference surface, many predictions: the map that grows, and threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nnunetv2_mstkd.evaluation import surface_reference as module
from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask
from nnunetv2_mstkd.evaluation.surface_reference import SurfaceReference

SHAPE = (60, 60, 60)


def cube(start, side=4):
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(s, s + side) for s in start)] = True
    return CroppedMask.of(mask)


def reference(tolerance_mm=1.0):
    return SurfaceReference(cube((20, 20, 20)), (1, 1, 1), tolerance_mm, "scipy")


PREDICTIONS = [cube((20 + k, 20, 20 - k // 2)) for k in (0, 2, 15, 36, -20)]


@pytest.fixture
def maps_of_the_reference(monkeypatch):
    """The boxes of all maps that are made of a reference's own surface, in order."""
    boxes = []
    make = module.SurfaceReference._made
    monkeypatch.setattr(module.SurfaceReference, "_made", lambda self, box: boxes.append(box) or make(self, box))
    return boxes


def test_what_is_kept_changes_no_value():
    for order in (PREDICTIONS, PREDICTIONS[::-1]):
        shared = reference()
        assert [shared.compare(p) for p in order] == [reference().compare(p) for p in order]


def test_predictions_close_by_share_one_small_map(maps_of_the_reference):
    shared = reference()
    for prediction in PREDICTIONS[:2] * 5:
        shared.compare(prediction)
    assert len(maps_of_the_reference) == 1
    assert max(maps_of_the_reference[0].shape) < 30


def test_the_map_grows_for_a_prediction_far_off_and_stays_large(maps_of_the_reference):
    shared = reference()
    for prediction in [PREDICTIONS[0], PREDICTIONS[3], PREDICTIONS[0], PREDICTIONS[3]]:
        shared.compare(prediction)
    assert len(maps_of_the_reference) == 2


def test_predictions_ever_further_out_make_it_anew_only_a_few_times(maps_of_the_reference):
    shared = reference()
    for z in range(20, 57):
        shared.compare(cube((z, 20, 20)))
    assert len(maps_of_the_reference) <= 4


def test_threads_get_what_one_thread_gets(maps_of_the_reference):
    shared = reference()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared.compare, PREDICTIONS * 8))
    made = len(maps_of_the_reference)
    assert found == [reference().compare(p) for p in PREDICTIONS] * 8
    assert made <= len(PREDICTIONS)


def test_a_voxel_just_at_the_tolerance_is_within_it_though_a_header_rounds():
    # shifted by one voxel: with the spacing of a float32 header, 1.0000001 mm, the tolerance of 1 mm is one voxel still
    mask, moved = cube((20, 20, 20)), cube((21, 20, 20))
    for mm in (1.0, 1.0000001, 0.9999999):
        assert SurfaceReference(mask, (mm, mm, mm), 1.0, "scipy").compare(moved).nsd == 1.0
    assert SurfaceReference(mask, (1.001, 1, 1), 1.0, "scipy").compare(moved).nsd < 1.0
