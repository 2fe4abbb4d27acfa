import math

import pytest
import torch

from nnunetv2_mstkd.losses import region_logit_distillation, standardized_logit_distillation


def test_last_axis_and_reverse_reproduce_the_released_value(oracle):
    arrays = oracle("logits")
    value = standardized_logit_distillation(
        arrays["logits_teacher"], arrays["logits_student"], 7.0, standardize_dim=-1, reverse=True
    )
    torch.testing.assert_close(value, arrays["released_slkd_temperature7"], rtol=1e-10, atol=0)


def test_three_classes_in_one_voxel_give_the_hand_computed_value():
    # Teacher (-2, 0, 2) has mean 0 and unbiased std 2: Z = (-1, 0, 1). Student (0, 3, -3) has std 3: Z = (0, 1, -1).
    # At temperature 1, p ~ (1/e, 1, e) and q ~ (1, e, 1/e) with the same sum s. KL = sum p (Z_T - Z_S)
    # = (-1/e - 1 + 2 e) / s; divided by C = 3.
    teacher = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64).reshape(1, 3, 1)
    student = torch.tensor([0.0, 3.0, -3.0], dtype=torch.float64).reshape(1, 3, 1)
    s = 1 / math.e + 1 + math.e
    expected = (-1 / math.e - 1 + 2 * math.e) / s / 3
    assert standardized_logit_distillation(teacher, student, 1.0).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_reverse_exchanges_the_arguments(reverse):
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 2, 4, 5, 5, dtype=torch.float64)
    value = standardized_logit_distillation(teacher, student, reverse=reverse)
    assert value == standardized_logit_distillation(student, teacher, reverse=not reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_two_classes_are_one_region(reverse):
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 2, 2, 5, 5, dtype=torch.float64)
    expected = region_logit_distillation(
        teacher[:, 1:] - teacher[:, :1], student[:, 1:] - student[:, :1], reverse=reverse
    )
    assert standardized_logit_distillation(teacher, student, reverse=reverse) == expected


def test_two_classes_have_a_gradient_in_both():
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 1, 2, 5, 5)
    student.requires_grad_()
    standardized_logit_distillation(teacher, student).backward()
    assert (student.grad.abs().amax((0, 2, 3)) > 1e-4).all()


def test_negative_axes_count_from_the_end():
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 2, 4, 3, 5)
    for axis in (1, 2, 3):
        from_front = standardized_logit_distillation(teacher, student, standardize_dim=axis)
        assert from_front == standardized_logit_distillation(teacher, student, standardize_dim=axis - 4)


def test_spatial_statistics_skip_invalid_voxels():
    # The last two voxels of each line are invalid: the value is that of the shorter lines.
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 2, 4, 3, 6, dtype=torch.float64)
    valid = torch.ones(2, 1, 3, 6)
    valid[..., 4:] = 0
    value = standardized_logit_distillation(teacher, student, standardize_dim=-1, valid=valid)
    shorter = standardized_logit_distillation(teacher[..., :4], student[..., :4], standardize_dim=-1)
    torch.testing.assert_close(value, shorter)


@pytest.mark.parametrize("standardize_dim", [1, 2, -1])
def test_constant_logits_of_any_size_carry_no_signal(standardize_dim):
    # 0.1 and 1000.3 are no binary fractions: their mean rounds, and 1e-7 is far below the rounding error of 1000.3.
    teacher = torch.full((1, 3, 7, 7), 1000.3)
    student = torch.full((1, 3, 7, 7), 0.1, requires_grad=True)
    value = standardized_logit_distillation(teacher, student, standardize_dim=standardize_dim)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-8)
    assert student.grad.isfinite().all()


def test_one_voxel_along_the_axis_is_finite():
    teacher, student = torch.randn(1, 3, 4, 1), torch.randn(1, 3, 4, 1)
    assert standardized_logit_distillation(teacher, student, standardize_dim=-1).item() == 0.0


@pytest.mark.parametrize("standardize_dim", [1, -1])
def test_one_channel_is_sent_to_the_region_loss(standardize_dim):
    logits = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="region_logit_distillation"):
        standardized_logit_distillation(logits, logits, standardize_dim=standardize_dim)


@pytest.mark.parametrize("standardize_dim", [0, -4, 4, -5])
def test_batch_axis_and_axes_out_of_range_are_refused(standardize_dim):
    logits = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match=rf"standardize_dim={standardize_dim} .*2 to 3"):
        standardized_logit_distillation(logits, logits, standardize_dim=standardize_dim)
