import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import extreme_value_distillation


def _attention(arrays, who):
    return [arrays[f"attention_{who}_{i}"] for i in range(4)]


def test_tokens_is_the_released_value_times_n_to_the_fourth(oracle):
    arrays = oracle("attention_teacher") | oracle("attention_student")
    teacher, student = _attention(arrays, "teacher"), _attention(arrays, "student")
    expected = arrays["released_evd"] * teacher[0].shape[-1] ** 4
    value = extreme_value_distillation(teacher, student, "tokens")
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)


def test_rows_of_opposite_one_hot_attention_reach_the_bound():
    # One depth: every extreme is the map itself, W = A * A = A, rows sum to 1. Each row differs by 1 in two keys: 2.
    teacher = [torch.eye(2, dtype=torch.float64)[None, None]]
    student = [teacher[0].flip(-1)]
    assert extreme_value_distillation(teacher, student).item() == pytest.approx(2.0, rel=1e-5)


def test_rows_at_two_depths_is_the_hand_computed_value():
    # One query, two keys. Teacher A = (1/2, 1/2) at both depths: every W, renormalised, is (1/2, 1/2).
    # Student (1, 0) and (1/2, 1/2): max (1, 1/2), min (1/2, 0), mean (3/4, 1/4).
    # W at depth 1 is (1, 0) for each: differences (1/2, -1/2), squares sum to 1/2.
    # W at depth 2 by max (1/2, 1/4) -> (2/3, 1/3): 2 / 36 = 1/18; by min (1/4, 0) -> (1, 0): 1/2;
    # by mean (3/8, 1/8) -> (3/4, 1/4): 1/8. Mean over the three of the sums over depths:
    uniform = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64)
    one_hot = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    expected = ((1 / 2 + 1 / 18) + (1 / 2 + 1 / 2) + (1 / 2 + 1 / 8)) / 3
    value = extreme_value_distillation([uniform, uniform], [one_hot, uniform])
    assert value.item() == pytest.approx(expected, rel=1e-4)  # the epsilon of the rows


def test_rows_stay_bounded_as_attention_sharpens_while_tokens_grow():
    torch.manual_seed(0)
    scores = [torch.randn(1, 2, 32, 32) for _ in range(4)]
    maps = {scale: [(scale * s).softmax(-1) for s in scores] for scale in (1, 1000)}
    others = {scale: [m.flip(-1) for m in depths] for scale, depths in maps.items()}
    bound = 2 * len(scores)
    assert extreme_value_distillation(maps[1000], others[1000]).item() <= bound
    assert extreme_value_distillation(maps[1000], others[1000], "tokens").item() > 100 * bound


def test_vanishing_products_have_a_finite_gradient():
    # Two depths attend to different keys: the elementwise minimum, and so each of its products, is 0.
    student = [m.requires_grad_() for m in torch.eye(2)[:, None, None, None, :].unbind()]
    uniform = [torch.full((1, 1, 1, 2), 0.5)] * 2
    value = extreme_value_distillation(uniform, student)
    value.backward()
    assert value.isfinite()
    assert all(m.grad.isfinite().all() for m in student)


def test_unknown_normalization_lists_the_choices():
    attention = [torch.full((1, 1, 2, 2), 0.5)]
    with pytest.raises(ValueError, match=r"'token' is unknown.*rows.*tokens"):
        extreme_value_distillation(attention, attention, "token")


def test_depths_of_different_grids_are_refused():
    attention = [torch.full((1, 1, 2, 2), 0.5), torch.full((1, 1, 3, 3), 1 / 3)]
    with pytest.raises(ShapeError, match=r"\(1, 1, 2, 2\), \(1, 1, 3, 3\)"):
        extreme_value_distillation(attention, attention)
