"""Gradient norms and attention entropy, by hand."""

import math

import pytest
import torch

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.distillation.diagnostics import attention_entropy, gradient_norms, measure_balance


@pytest.mark.parametrize("scale", [1.0, 65536.0])
def test_gradient_norms_by_hand(scale):
    feature = torch.tensor([3.0, 4.0], requires_grad=True)
    terms = {
        "square": (feature**2).sum(),  # gradient 2 x = (6, 8), norm 10
        "linear": 3 * feature[0],  # gradient (3, 0), norm 3
        "elsewhere": torch.ones(2, requires_grad=True).sum(),
    }
    assert gradient_norms(terms, feature, scale) == pytest.approx({"square": 10.0, "linear": 3.0, "elsewhere": 0.0})
    assert feature.grad is None  # nothing is accumulated


def test_gradient_norms_leave_the_graph_for_a_backward_pass():
    feature = torch.tensor([1.0], requires_grad=True)
    term = (feature**2).sum()
    gradient_norms({"one": term, "two": 2 * term}, feature)
    term.backward()
    assert feature.grad.item() == 2.0


def test_uniform_attention_has_entropy_one():
    assert attention_entropy([torch.full((2, 3, 5, 5), 0.2)] * 4) == pytest.approx(1.0)


def test_attention_to_one_token_has_entropy_zero():
    assert attention_entropy([torch.eye(5).expand(2, 3, 5, 5)]) == 0.0


def test_entropy_is_the_mean_over_maps():
    # rows (1/2, 1/2, 0, 0) of 4 tokens: log 2 / log 4 = 1/2; with uniform rows the mean is 3/4
    half = torch.tensor([0.5, 0.5, 0.0, 0.0]).expand(1, 1, 4, 4)
    assert attention_entropy([half]) == pytest.approx(0.5)
    assert attention_entropy([half, torch.full((1, 1, 4, 4), 0.25)]) == pytest.approx(0.75)


def test_no_attention_has_no_entropy():
    assert math.isnan(attention_entropy([]))


def test_a_single_token_has_an_entropy():
    assert attention_entropy([torch.ones(1, 1, 1, 1)]) == 0.0


def test_the_balance_has_weighted_norms_and_the_entropy_of_each_branch():
    def features(encoded, attention):
        return NetworkFeatures(encoded, encoded, (), attention, None, None)

    feature = torch.tensor([3.0, 4.0], requires_grad=True)
    teacher = features(torch.zeros(2), (torch.full((1, 1, 4, 4), 0.25),))
    student = features(feature, (torch.eye(4).expand(1, 1, 4, 4),))
    terms = {"square": (feature**2).sum(), "linear": 3 * feature[0], "not measured": feature.sum()}
    assert measure_balance(terms, {"square": 0.5, "linear": 2.0}, teacher, student, scale=8.0) == pytest.approx(
        {
            "gradient_square": 5.0,  # half of 10
            "gradient_linear": 6.0,  # twice 3
            "attention_entropy_student": 0.0,
            "attention_entropy_teacher": 1.0,
        }
    )
