import math

import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import adversarial_student


def test_is_the_cross_entropy_against_full():
    # sigmoid(log 3) = 3/4, sigmoid(-log 3) = 1/4: -(log 3/4 + log 1/4) / 2
    scores = torch.tensor([math.log(3), -math.log(3)], dtype=torch.float64)
    expected = -(math.log(3 / 4) + math.log(1 / 4)) / 2
    assert adversarial_student(scores).item() == pytest.approx(expected)
    assert adversarial_student(scores[:, None]).item() == pytest.approx(expected)


def test_falls_as_the_style_looks_more_complete():
    score = torch.zeros(1, requires_grad=True)
    adversarial_student(score).backward()
    assert score.grad.item() == pytest.approx(-0.5)  # sigmoid(0) - 1


@pytest.mark.parametrize("shape", [(), (2, 2), (1, 2), (2, 1, 1), (0,)])
def test_scores_must_be_one_per_sample(shape):
    with pytest.raises(ShapeError, match="one per sample"):
        adversarial_student(torch.zeros(shape))
