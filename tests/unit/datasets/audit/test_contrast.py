"""Features of a small volume, worked out by hand."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt

from nnunetv2_mstkd.datasets.audit.contrast import Contrast, contrast_of


@pytest.fixture
def volume():
    """1..100 over and over in a brain of 20 x 20 x 20 voxels within zeros, and a cube of two labels."""
    image = np.zeros((26, 26, 26), np.float32)
    image[3:23, 3:23, 3:23] = (np.arange(8000) % 100 + 1).reshape(20, 20, 20)
    seg = np.zeros(image.shape, np.uint8)
    seg[8:14, 8:14, 8:14] = 2
    seg[9:13, 9:13, 9:13] = 1
    image[seg == 2] = 90
    image[seg == 1] = 10
    return image, seg


def test_the_enclosed_label_has_no_surface_outside(volume):
    image, seg = volume
    labels = contrast_of({0: image}, seg).labels
    assert labels[1]["outside"] == 0
    # a cube of 6 shows 6 * 36 faces to the background, and 6 * 16 to the cube of 4 within
    assert labels[2]["outside"] == pytest.approx(216 / (216 + 96))


def test_brightness_is_in_quartiles_of_the_normal_brain(volume):
    image, seg = volume
    contrast = contrast_of({0: image}, seg)
    # of 1..100 median and interquartile range are 50.5 and 49.5; the cube takes a few away
    assert contrast.labels[2]["0"] == pytest.approx((90 - 50.5) / 49.5, abs=0.05)
    assert contrast.labels[1]["0"] == pytest.approx((10 - 50.5) / 49.5, abs=0.05)
    assert contrast.channels[0]["uptake"] == contrast.labels[2]["0"]
    assert contrast.channels[0]["outer_rank"] == pytest.approx(0.89, abs=0.01)
    assert contrast.channels[0]["tail"] == pytest.approx(0, abs=0.05)


def test_scale_does_not_matter(volume):
    image, seg = volume
    assert contrast_of({0: image * 64}, seg) == contrast_of({0: image}, seg)


def test_a_bright_tail_is_positive(volume):
    image, seg = volume
    bright = np.where(image > 90, 400, image)
    assert contrast_of({0: bright}, seg).channels[0]["tail"] > 0.6


def test_nothing_is_told_without_lesion_brain_or_background(volume):
    image, seg = volume
    assert contrast_of({0: image}, np.zeros_like(seg)) == Contrast(untold="no label of 20 voxels")
    assert contrast_of({0: image + 1}, seg) == Contrast(untold="the surroundings of the brain are not zero")
    few = contrast_of({0: np.where(np.arange(26) < 5, image, 0)}, seg)
    assert few == Contrast(untold="fewer than 1000 voxels of brain outside of the labels")


@pytest.mark.parametrize(("around", "is_measured"), [(8, False), (9, True)])
def test_a_brain_may_fill_0_7_of_the_volume(volume, around, is_measured):
    image, seg = (np.pad(array[3:23, 3:23, 3:23], ((0, 0), (0, 0), (0, around))) for array in volume)
    assert bool(contrast_of({0: image}, seg).channels) == is_measured  # 20 / 28 is 0.71, 20 / 29 is 0.69


@pytest.mark.parametrize(("count", "told"), [(20, [1, 2, 3]), (19, [1, 2])])
def test_a_label_is_measured_from_20_voxels_on(volume, count, told):
    image, seg = volume
    seg.flat[np.flatnonzero((seg == 0) & (image > 0))[:count]] = 3
    assert list(contrast_of({0: image}, seg).labels) == told


@pytest.mark.parametrize(("distance", "counts"), [(1, False), (2, False), (3, True)])
def test_what_lies_within_2_voxels_of_the_lesion_is_not_normal(volume, distance, counts):
    image, seg = volume
    away = distance_transform_cdt(seg == 0, metric="taxicab")
    changed = np.where(away == distance, np.float32(1000), image)
    assert (contrast_of({0: changed}, seg) != contrast_of({0: image}, seg)) == counts
