"""What the outputs of a step are compared with: its finest scale, and where it counts."""

import pytest
import torch

from nnunetv2_mstkd.distillation.step_target import full_resolution, valid_voxels


def test_full_resolution_is_the_first_scale():
    finest, coarse = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)
    assert full_resolution([finest, coarse]) is finest
    assert full_resolution(finest) is finest


def test_valid_voxels_of_labels():
    target = torch.tensor([[[[0, 1, 4], [4, 2, 3]]]])
    assert valid_voxels(target, False, 4).tolist() == [[[[True, True, False], [False, True, True]]]]
    assert torch.equal(valid_voxels([target], False, 4), valid_voxels(target, False, 4))
    assert valid_voxels(target, False, None) is None


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_valid_voxels_of_regions_are_outside_the_last(dtype):
    target = torch.zeros(1, 4, 2, 2)
    target[0, -1, 0, 1] = 1  # three regions, and nnU-Net's channel of the ignore label
    valid = valid_voxels(target.to(dtype), True, 4)
    assert valid.dtype is torch.bool
    assert valid.tolist() == [[[[True, False], [True, True]]]]
