"""style_kl: the sum over the style parameters, the mean over the modalities that count."""

import math

import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses.style_kl import style_kl


def test_standard_normal_styles_cost_nothing():
    assert style_kl(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)) == 0


def test_the_value_by_hand():
    # first modality: mean 2, variance 1, two parameters: 2 * 4 / 2 = 4
    # second: mean 0, variance e: 2 * (e - 2) / 2 = e - 2; the mean of both
    means = torch.tensor([[[2.0, 2.0], [0.0, 0.0]]])
    log_variances = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    value = style_kl(means, log_variances, torch.tensor([[True, True]]))
    assert value.item() == pytest.approx((4 + math.e - 2) / 2)


@pytest.mark.parametrize("anything", [5.0, float("nan"), float("inf")])
def test_what_does_not_count_has_no_influence_and_no_gradient(anything):
    means, log_variances = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    counts = torch.tensor([[True, False, True], [False, False, True]])
    first = style_kl(means, log_variances, counts)
    for values in (means, log_variances):
        values[~counts] = anything
        values.requires_grad_()
    second = style_kl(means, log_variances, counts)
    assert torch.equal(first, second)
    for gradient in torch.autograd.grad(second, (means, log_variances)):
        assert not gradient[~counts].any()
        assert gradient[counts].all()


def test_the_mean_is_taken_sample_by_sample():
    # one of two counts: 4.5; both: (0.5 + 2) / 2 = 1.25; the mean over the batch
    means = torch.tensor([[[3.0], [9.0]], [[1.0], [2.0]]])
    counts = torch.tensor([[True, False], [True, True]])
    assert style_kl(means, torch.zeros_like(means), counts).item() == pytest.approx((4.5 + 1.25) / 2)


def test_a_sample_of_which_nothing_counts_contributes_nothing():
    means = torch.full((2, 2, 1), 2.0, requires_grad=True)
    counts = torch.tensor([[False, False], [True, True]])
    value = style_kl(means, torch.zeros(2, 2, 1), counts)
    assert value.item() == pytest.approx(2 / 2)
    nothing = style_kl(means, torch.zeros(2, 2, 1), torch.zeros(2, 2, dtype=torch.bool))
    assert nothing == 0
    (gradient,) = torch.autograd.grad(nothing, means)
    assert not gradient.any()


def test_half_precision_is_computed_in_full():
    means = torch.full((1, 1, 2), 300.0).half()  # its square is beyond float16
    value = style_kl(means, torch.zeros_like(means), torch.tensor([[True]]))
    assert value.item() == 300.0**2
    assert value.dtype == torch.float32


@pytest.mark.parametrize("shapes", [((1, 2, 3), (1, 2, 4), (1, 2)), ((1, 2, 3), (1, 2, 3), (1, 3)), ((1, 2),) * 3])
def test_wrong_shapes_are_refused(shapes):
    means, log_variances, counts = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ShapeError, match="counts"):
        style_kl(means, log_variances, counts)
