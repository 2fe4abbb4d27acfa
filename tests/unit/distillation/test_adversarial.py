"""What discriminators judge, and where the gradients of both sides go."""

import math

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.distillation.adversarial import discriminator_loss, judged
from nnunetv2_mstkd.distillation.step_target import StepTarget
from nnunetv2_mstkd.distillation.terms import ADVERSARIAL, DISCRIMINATORS, ENTROPY, KNOWLEDGE

BOTH, NONE = torch.tensor([True, True]), torch.tensor([False, False])


@pytest.mark.parametrize("term", DISCRIMINATORS)
def test_the_students_adversarial_term_leaves_the_discriminator_alone(with_all_terms, term):
    branches = with_all_terms()
    branches.terms()[term].backward()
    assert not branches.gradients(branches.discriminators[term])
    assert all(weight.requires_grad for weight in branches.discriminators[term].parameters())
    assert branches.gradients(branches.student)


@pytest.mark.parametrize("term", DISCRIMINATORS)
def test_the_discriminators_loss_leaves_the_networks_alone(with_all_terms, term):
    branches = with_all_terms()
    teacher, student, target = branches.forward()
    maps = [judged(term, features, target.regions, target.valid) for features in (teacher, student)]
    discriminator_loss(branches.discriminators[term], *maps, target).backward()
    assert branches.gradients(branches.discriminators[term])
    assert not branches.gradients(branches.teacher)
    assert not branches.gradients(branches.student)


def test_each_discriminator_sees_what_is_its_own(with_all_terms):
    features, _, _ = with_all_terms().forward()
    assert judged(ADVERSARIAL, features, True, None) is features.style
    assert judged(KNOWLEDGE, features, True, None) is features.encoded
    probs = torch.sigmoid(features.logits[0])
    entropy = -(probs * probs.log2() + (1 - probs) * (1 - probs).log2())
    torch.testing.assert_close(judged(ENTROPY, features, True, None), entropy)


def test_a_complete_sample_does_not_count_as_lacking(branches):
    discriminator = branches().discriminators[ADVERSARIAL]
    teacher_style, student_style = torch.randn(2, 2, 16, 4, 4).unbind()
    target = StepTarget(None, True, None, torch.tensor([False, True]), BOTH)
    loss = discriminator_loss(discriminator, teacher_style, student_style, target)
    other = student_style.clone()
    other[1] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, teacher_style, other, target) == loss
    other[0] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, teacher_style, other, target) != loss


def test_a_teacher_that_lacks_something_does_not_count_as_full(branches):
    discriminator = branches().discriminators[ADVERSARIAL]
    teacher_style, student_style = torch.randn(2, 2, 16, 4, 4).unbind()
    target = StepTarget(None, True, None, NONE, torch.tensor([True, False]))
    loss = discriminator_loss(discriminator, teacher_style, student_style, target)
    other = teacher_style.clone()
    other[1] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, other, student_style, target) == loss
    other[0] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, other, student_style, target) != loss


def test_discriminator_learns_full_from_missing(branches):
    """Binary cross-entropy by hand: full styles are 1, missing ones 0."""

    class Score(nn.Module):
        def forward(self, style):
            return style.flatten(1).mean(1)

    teacher, student = torch.full((2, 1, 2, 2), 1.5), torch.full((2, 1, 2, 2), -0.5)
    value = discriminator_loss(Score(), teacher, student, StepTarget(None, True, None, NONE, BOTH))
    # BCE(1.5, full) + BCE(-0.5, missing) = log(1 + e^-1.5) + log(1 + e^-0.5)
    assert value.item() == pytest.approx(math.log1p(math.exp(-1.5)) + math.log1p(math.exp(-0.5)))
