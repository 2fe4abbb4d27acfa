"""L_MI by hand, and what its variances learn."""

import math

import pytest
import torch

from nnunetv2_mstkd.architectures import InformationRegressor
from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import mutual_information_transfer


def test_by_hand():
    teacher = torch.tensor([[[1.0, 3.0], [0.0, 0.0]]])  # (1, 2, 2): two channels, two voxels
    prediction = torch.tensor([[[2.0, 1.0], [4.0, 0.0]]])
    variance = torch.tensor([2.0, 8.0])
    first = ((1 + 4) / 2 / 2 + math.log(2)) / 2
    second = ((16 + 0) / 2 / 8 + math.log(8)) / 2
    value = mutual_information_transfer(teacher, prediction, variance)
    assert value.item() == pytest.approx((first + second) / 2)


def test_it_is_least_where_the_variance_is_the_squared_error():
    teacher, prediction = torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 3.0)
    variance = torch.tensor([9.0], requires_grad=True)
    mutual_information_transfer(teacher, prediction, variance).backward()
    assert variance.grad.item() == pytest.approx(0, abs=1e-7)


def test_a_certain_and_good_prediction_is_below_zero():
    feature = torch.randn(2, 3, 4, 4)
    assert mutual_information_transfer(feature, feature, torch.full((3,), 0.1)).item() == pytest.approx(
        math.log(0.1) / 2
    )


def test_the_variance_gets_its_gradient_from_the_samples_that_count():
    teacher, prediction = torch.randn(2, 2, 3, 4, 4).unbind()
    variance = torch.ones(3, requires_grad=True)
    mutual_information_transfer(teacher, prediction, variance, sample_weights=torch.tensor([0.0, 0.0])).backward()
    assert variance.grad is not None  # DDP waits for it
    assert not variance.grad.any()


@pytest.mark.parametrize("shape", [(2,), (1, 3), ()])
def test_variances_that_are_not_one_per_channel_are_refused(shape):
    feature = torch.randn(2, 3, 4, 4)
    with pytest.raises(ShapeError, match=r"need \(3,\), one per channel"):
        mutual_information_transfer(feature, feature, torch.ones(shape))


@pytest.mark.parametrize("axes", [2, 3])
def test_the_regressor_starts_at_variance_five_and_keeps_the_grid(axes):
    regressor = InformationRegressor(torch.nn.Conv3d if axes == 3 else torch.nn.Conv2d, 6)
    feature = torch.randn(2, 6, *(2, 1, 3)[:axes])
    prediction, variance = regressor(feature)
    assert prediction.shape == feature.shape
    torch.testing.assert_close(variance, torch.full((6,), 5.0))


def test_a_regressor_learns_what_the_student_knows_of_the_teacher():
    """One channel is a function of the student's feature, the other is noise: their variances tell which is which."""
    regressor = InformationRegressor(torch.nn.Conv2d, 2)
    optimizer = torch.optim.Adam(regressor.parameters(), 0.03)
    for _ in range(300):
        student = torch.randn(4, 2, 8, 8)
        teacher = torch.stack((student[:, 0] - 2 * student[:, 1], 2 * torch.randn(4, 8, 8)), 1)
        loss = mutual_information_transfer(teacher, *regressor(student))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _, variance = regressor(student)
    assert variance[0] < 0.5
    assert variance[1].item() == pytest.approx(4, rel=0.25)
