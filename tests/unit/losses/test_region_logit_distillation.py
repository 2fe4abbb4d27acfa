import math

import pytest
import torch

from nnunetv2_mstkd.losses import region_logit_distillation


def test_two_voxels_give_the_hand_computed_value():
    # Teacher (-2, 2): mean 0, unbiased variance 8, Z = -+1/sqrt(2). Student (0, 0): Z = 0, q = 1/2. At temperature 1
    # and p = sigmoid(1/sqrt(2)), both voxels have KL = p log(2 p) + (1 - p) log(2 (1 - p)).
    teacher = torch.tensor([-2.0, 2.0], dtype=torch.float64).reshape(1, 1, 2)
    p = 1 / (1 + math.exp(-1 / math.sqrt(2)))
    expected = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    value = region_logit_distillation(teacher, torch.zeros_like(teacher), 1.0)
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_spread_below_one_logit_is_not_amplified():
    # Std 0.01 * sqrt(2) < 1, so that the logits are centred only: Z = -+0.01. At temperature 1 and q = 1/2, the
    # divergence of a small logit z is z^2 / 8.
    teacher = torch.tensor([-0.01, 0.01], dtype=torch.float64).reshape(1, 1, 2)
    value = region_logit_distillation(teacher, torch.zeros_like(teacher), 1.0)
    assert value.item() == pytest.approx(0.01**2 / 8, rel=1e-4)


def test_regions_are_standardised_apart_and_averaged():
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 2, 3, 4, 4, dtype=torch.float64)
    scale = torch.tensor([2.0, 20.0, 200.0], dtype=torch.float64).reshape(1, 3, 1, 1)
    apart = [
        region_logit_distillation((teacher * scale)[:, i : i + 1], (student * scale)[:, i : i + 1]) for i in range(3)
    ]
    joint = region_logit_distillation(teacher * scale, student * scale)
    torch.testing.assert_close(joint, torch.stack(apart).mean())


def test_statistics_run_over_valid_voxels_only():
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 2, 3, 4, 6, dtype=torch.float64)
    valid = torch.ones(2, 1, 4, 6, dtype=torch.bool)
    valid[..., 4:] = False
    value = region_logit_distillation(teacher, student, valid=valid)
    torch.testing.assert_close(value, region_logit_distillation(teacher[..., :4], student[..., :4]))


def test_reverse_exchanges_the_arguments():
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 2, 1, 5, 5, dtype=torch.float64)
    assert region_logit_distillation(teacher, student, reverse=True) == region_logit_distillation(student, teacher)


def test_extreme_logits_are_finite():
    teacher = torch.tensor([-1e4, 1e4, 1e4, 1e4]).reshape(1, 1, 4)
    student = (-teacher).requires_grad_()
    value = region_logit_distillation(teacher, student, 1e-3)
    value.backward()
    assert value.isfinite()
    assert student.grad.isfinite().all()
