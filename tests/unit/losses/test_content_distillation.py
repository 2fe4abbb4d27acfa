import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import content_distillation


def test_is_the_mean_squared_difference():
    # Differences 1, 2, 3, 4: (1 + 4 + 9 + 16) / 4 = 7.5
    student = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 1, 2)
    assert content_distillation(torch.zeros(1, 2, 1, 2), student).item() == 7.5


def test_weights_divide_by_the_batch_size_not_by_their_sum():
    # Per sample 1 and 4, weights 0 and 3: (0 * 1 + 3 * 4) / 2 = 6
    student = torch.tensor([1.0, 2.0]).reshape(2, 1, 1)
    assert content_distillation(torch.zeros(2, 1, 1), student, sample_weights=torch.tensor([0, 3])).item() == 6.0


def test_shape_mismatch_shows_both_shapes():
    with pytest.raises(ShapeError, match=r"\(1, 2, 3, 3\).*\(1, 2, 4, 4\)"):
        content_distillation(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 4, 4))


def test_empty_tensors_are_refused():
    with pytest.raises(ShapeError, match="empty"):
        content_distillation(torch.zeros(0, 2, 3), torch.zeros(0, 2, 3))


@pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
def test_weights_must_be_one_per_sample(shape):
    with pytest.raises(ShapeError, match=r"sample_weights.*2 samples"):
        content_distillation(torch.zeros(2, 2, 3), torch.zeros(2, 2, 3), sample_weights=torch.ones(shape))
