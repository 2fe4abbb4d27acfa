import math

import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import gaussian_kl


def test_is_half_of_mean_square_plus_variance_less_log_variance_less_one():
    # N(3, 4): (9 + 4 - log 4 - 1) / 2;  N(0, 1): 0. The mean of both.
    mean = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    log_variance = torch.tensor([[math.log(4), 0.0]], dtype=torch.float64)
    assert gaussian_kl(mean, log_variance).item() == pytest.approx((12 - math.log(4)) / 4)


def test_agrees_with_torchs_own():
    mean, log_variance = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    own = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)


def test_pulls_towards_the_standard_normal():
    mean = torch.tensor([[2.0]], requires_grad=True)
    log_variance = torch.tensor([[math.log(3)]], requires_grad=True)
    gaussian_kl(mean, log_variance).backward()
    assert mean.grad.item() == pytest.approx(2)
    assert log_variance.grad.item() == pytest.approx((3 - 1) / 2)


def test_weights_divide_by_the_batch_size_not_by_their_sum():
    # Per sample 2 and 8 (means 2 and 4), weights 0 and 3: 3 * 8 / 2
    mean = torch.tensor([[2.0], [4.0]])
    assert gaussian_kl(mean, torch.zeros(2, 1), sample_weights=torch.tensor([0, 3])).item() == 12


def test_shapes_that_differ_are_refused_and_shown():
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(2, 4\)"):
        gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 4))
