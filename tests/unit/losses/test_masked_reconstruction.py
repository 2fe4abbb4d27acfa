import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import masked_reconstruction

# Sample 0: differences 1, 3 (modality 0) and -2, 4 (modality 1); sample 1: 5, 5 and 100, 100
RECONSTRUCTION = torch.tensor([[[1.0, 3.0], [-2.0, 4.0]], [[5.0, 5.0], [100.0, 100.0]]])
IMAGE = torch.zeros(2, 2, 2)
COUNTS = torch.tensor([[True, True], [True, False]])


# absolute: ((1 + 3 + 2 + 4) / 4 + 5) / 2;  squared: ((1 + 9 + 4 + 16) / 4 + 25) / 2
@pytest.mark.parametrize(("power", "expected"), [(1, 3.75), (2, 16.25)])
def test_is_the_mean_over_the_modalities_that_count(power, expected):
    assert masked_reconstruction(RECONSTRUCTION, IMAGE, COUNTS, power=power).item() == expected


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("anything", [7.0, float("nan"), float("inf")])
def test_what_does_not_count_has_no_influence(power, anything):
    reconstruction = RECONSTRUCTION.clone().requires_grad_()
    image = IMAGE.clone()
    image[1, 1] = anything
    value = masked_reconstruction(reconstruction, image, COUNTS, power=power)
    value.backward()
    assert value == masked_reconstruction(RECONSTRUCTION, IMAGE, COUNTS, power=power)
    assert (reconstruction.grad != 0).tolist() == [[[True, True], [True, True]], [[True, True], [False, False]]]


def test_a_sample_without_any_contributes_zero_and_keeps_the_graph():
    reconstruction = RECONSTRUCTION.clone().requires_grad_()
    value = masked_reconstruction(reconstruction, IMAGE, torch.zeros(2, 2, dtype=torch.bool), power=2)
    value.backward()
    assert value.item() == 0
    assert not reconstruction.grad.any()


def test_weights_divide_by_the_batch_size_not_by_their_sum():
    # Per sample 2.5 and 5, weights 0 and 3: 3 * 5 / 2
    weights = torch.tensor([0.0, 3.0])
    assert masked_reconstruction(RECONSTRUCTION, IMAGE, COUNTS, power=1, sample_weights=weights).item() == 7.5


def test_another_power_is_refused():
    with pytest.raises(ValueError, match="power is 3"):
        masked_reconstruction(RECONSTRUCTION, IMAGE, COUNTS, power=3)


@pytest.mark.parametrize(("image", "counts"), [(IMAGE[:, :1], COUNTS), (IMAGE, COUNTS[:1]), (IMAGE, COUNTS[..., None])])
def test_shapes_that_do_not_belong_together_are_refused_and_shown(image, counts):
    with pytest.raises(ShapeError, match=r"\(2, 2, 2\).*\(B, M\)|\(B, M, \*S\).*\(2, 2, 2\)"):
        masked_reconstruction(RECONSTRUCTION, image, counts, power=2)
