"""Which voxels are the surface of a mask."""

import numpy as np
import pytest
from scipy import ndimage

from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask
from nnunetv2_mstkd.evaluation.surface import surface_points


def surface(mask):
    found = np.zeros(mask.shape, bool)
    found[tuple(surface_points(CroppedMask.of(mask)).T)] = True
    return found


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(9,), (7, 8), (5, 6, 7)])
def test_it_is_what_an_erosion_takes_away(shape, density):
    for seed in range(10):
        mask = np.random.default_rng(seed).random(shape) < density
        # scipy's default element has the neighbours that share a face; its border is background
        assert (surface(mask) == mask & ~ndimage.binary_erosion(mask)).all()


def test_a_cube_of_4_has_all_but_its_inner_8_voxels():
    mask = np.zeros((8, 8, 8), bool)
    mask[2:6, 2:6, 2:6] = True
    assert surface(mask).sum() == 4**3 - 2**3
    assert not surface(mask)[3:5, 3:5, 3:5].any()


def test_the_border_of_the_volume_is_surface():
    assert surface(np.ones((4, 4, 4), bool)).sum() == 4**3 - 2**3


def test_a_slice_has_the_outline_that_it_has_without_its_third_axis():
    flat = np.random.default_rng(0).random((12, 13)) < 0.8
    assert (surface(flat[None])[0] == surface(flat)).all()
    assert (surface(flat[:, None])[:, 0] == surface(flat)).all()
    assert surface(flat[None]).sum() < flat.sum()


def test_a_sheet_in_a_volume_is_all_surface():
    mask = np.zeros((3, 9, 9), bool)
    mask[1] = True  # its box has one voxel along the first axis, but the volume has three
    assert (surface(mask) == mask).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 5), (3, 3, 3)])
def test_a_single_voxel_is_its_own_surface(shape):
    mask = np.zeros(shape, bool)
    mask[tuple(n // 2 for n in shape)] = True
    assert (surface(mask) == mask).all()


def test_an_empty_mask_has_none():
    assert surface_points(CroppedMask.of(np.zeros((3, 4, 5), bool))).shape == (0, 3)
