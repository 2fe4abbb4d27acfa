import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import least_squares_adversarial

SCORES = torch.tensor([[[1.0, 3.0]], [[-1.0, 0.0]]])  # (B, 1, S)


# to 1: ((0 + 4) / 2 + (4 + 1) / 2) / 2;  to 0: ((1 + 9) / 2 + (1 + 0) / 2) / 2
@pytest.mark.parametrize(("target", "expected"), [(1.0, 2.25), (0.0, 2.75)])
def test_is_the_mean_square_of_the_distance_to_the_target(target, expected):
    assert least_squares_adversarial(SCORES, target).item() == expected


def test_weights_divide_by_the_batch_size_not_by_their_sum():
    # Per sample 2 and 2.5, weights 3 and 0: 3 * 2 / 2
    assert least_squares_adversarial(SCORES, sample_weights=torch.tensor([3, 0])).item() == 3


def test_a_score_a_sample_will_do():
    assert least_squares_adversarial(torch.tensor([1.0, 3.0])).item() == 2


def test_nothing_is_refused():
    with pytest.raises(ShapeError, match="empty"):
        least_squares_adversarial(torch.zeros(0, 1, 2))
