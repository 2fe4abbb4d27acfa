import pytest
import torch

from nnunetv2_mstkd.losses import probability_consistency


def test_three_regions_reproduce_the_released_value(oracle):
    arrays = oracle("logits")
    value = probability_consistency(arrays["logits_teacher"][:, :3], arrays["logits_student"][:, :3], regions=True)
    torch.testing.assert_close(value, arrays["released_consistency_sigmoid_mse_3ch"], rtol=1e-10, atol=0)


def test_classes_are_compared_by_softmax():
    # Teacher softmax(0, log 3) = (1/4, 3/4), student (1/2, 1/2): 2 / 16
    teacher = torch.tensor([1.0, 3.0], dtype=torch.float64).log().reshape(1, 2, 1)
    assert probability_consistency(teacher, torch.zeros_like(teacher), regions=False).item() == pytest.approx(1 / 8)


def test_each_sample_is_averaged_over_its_own_valid_voxels():
    # Certain and wrong in the first voxel of each sample (1 per region), equal elsewhere. Sample 0 keeps 1 of 4 voxels:
    # 1; sample 1 keeps all: 1/4. Mean over the batch 0.625, not 2 voxels of 5.
    teacher, student = torch.zeros(2, 1, 4), torch.zeros(2, 1, 4)
    teacher[..., 0], student[..., 0] = 100.0, -100.0
    valid = torch.tensor([[1, 0, 0, 0], [1, 1, 1, 1]])[:, None]
    assert probability_consistency(teacher, student, regions=True, valid=valid).item() == pytest.approx(0.625)
