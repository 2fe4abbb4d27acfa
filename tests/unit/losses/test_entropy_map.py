"""Entropy maps by hand; the released code's softmax over sigmoids would fail here."""

import math

import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses.entropy_map import entropy_map


def binary(p):
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def test_regions_by_hand():
    probs = torch.tensor([0.5, 0.9, 0.2]).reshape(1, 3, 1)
    expected = torch.tensor([binary(p) for p in (0.5, 0.9, 0.2)]).reshape(1, 3, 1)
    torch.testing.assert_close(entropy_map(probs.logit(), True), expected)


def test_labels_by_hand():
    probs = torch.tensor([0.5, 0.25, 0.125, 0.125]).reshape(1, 4, 1)
    # -p log2 p / log2 4
    expected = torch.tensor([0.5, 0.5, 0.375, 0.375]).reshape(1, 4, 1) / 2
    torch.testing.assert_close(entropy_map(probs.log() + 7, False), expected)


@pytest.mark.parametrize("regions", [True, False])
def test_a_certain_prediction_has_no_entropy(regions):
    """The softmax of sigmoids that are 0 or 1 never is certain: released, 0.4 and more would stand here."""
    logits = torch.full((1, 3, 2, 2), -100.0)
    logits[:, 1] = 100
    logits.requires_grad_()
    entropy = entropy_map(logits, regions)
    assert entropy.max() < 1e-6
    entropy.sum().backward()
    assert logits.grad.isfinite().all()


def test_nothing_known_is_entropy_one():
    assert torch.allclose(entropy_map(torch.zeros(1, 3, 4), True), torch.ones(1, 3, 4))
    assert torch.allclose(entropy_map(torch.zeros(1, 3, 4), False).sum(1), torch.ones(1, 4))


def test_regions_do_not_depend_on_each_other():
    logits = torch.randn(1, 3, 4)
    other = logits.clone()
    other[:, 0] += 3
    assert torch.equal(entropy_map(logits, True)[:, 1:], entropy_map(other, True)[:, 1:])


@pytest.mark.parametrize("regions", [True, False])
def test_ignored_voxels_have_none_and_no_gradient(regions):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    valid = torch.rand(2, 1, 4, 4) > 0.5
    entropy = entropy_map(logits, regions, valid=valid)
    assert not (entropy * ~valid).any()
    (gradient,) = torch.autograd.grad(entropy.sum(), logits)
    assert not (gradient * ~valid).any()
    with pytest.raises(ShapeError, match=r"need \(2, 1, 4, 4\)"):
        entropy_map(logits, regions, valid=valid[:, 0])


@pytest.mark.parametrize("regions", [True, False])
def test_half_precision_is_computed_in_full(regions):
    logits = 30 * torch.randn(2, 3, 4, dtype=torch.float16)
    entropy = entropy_map(logits, regions)
    assert entropy.dtype is torch.float32
    assert torch.equal(entropy, entropy_map(logits.float(), regions))
