"""What voxels show."""

import numpy as np
import pytest

from nnunetv2_mstkd.cases.voxels import find_emptiness, find_fault

SHAPE = (4, 5, 6)


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.float32)


def test_an_image_is_neither_empty_nor_at_fault(image):
    for scaled in (image, image / 1000, image.round(), -image.round(), np.where(image > 100, image.round(), 0)):
        assert find_emptiness(scaled) is None
        assert find_fault(scaled) is None


@pytest.mark.parametrize(("value", "how"), [(0, "0 everywhere"), (-3.5, "-3.5 everywhere"), (np.nan, "NaN everywhere")])
def test_one_value_everywhere_is_emptiness(value, how):
    assert find_emptiness(np.full(SHAPE, value, np.float32)) == how


def test_infinity_everywhere_is_a_fault_and_no_emptiness():
    voxels = np.full(SHAPE, np.inf, np.float32)
    assert find_emptiness(voxels) is None
    assert "120 infinite" in find_fault(voxels)


@pytest.mark.parametrize("first", [0, 60])
def test_nan_and_infinite_voxels_are_counted(image, first):
    image.flat[[first, 100]] = np.nan
    image.flat[50] = -np.inf
    assert find_emptiness(image) is None
    assert find_fault(image) == "has 2 NaN and 1 infinite voxels of 120 (2.5 %): replace them"


@pytest.mark.parametrize("labels", [(0, 1), (0, 255), (7, 4000), (-1, 1), (0, 1, 2, 4), tuple(range(10))])
def test_label_maps_are_seen(labels):
    voxels = np.random.default_rng(0).choice(np.float32(labels), SHAPE)
    assert "label map" in find_fault(voxels)
    assert ", ".join(map(str, labels)) in find_fault(voxels)


@pytest.mark.parametrize("values", [tuple(range(11)), (0, 1, 256), (-1, 0, 1), (0, 0.5, 1)])
def test_other_values_are_those_of_images(values):
    assert find_fault(np.random.default_rng(0).choice(np.float32(values), SHAPE)) is None


def test_a_rare_value_tells_a_big_image_from_a_label_map():
    voxels = np.zeros((100, 50, 50), np.float32)
    voxels[50] = 1
    assert "0, 1" in find_fault(voxels)
    voxels[3, 1, 1] = 0.25
    assert find_fault(voxels) is None
