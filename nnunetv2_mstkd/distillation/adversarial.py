"""The adversarial terms: what discriminators judge, and both sides' losses (L2)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.distillation.step_target import StepTarget, full_resolution
from nnunetv2_mstkd.distillation.terms import ADVERSARIAL, ENTROPY
from nnunetv2_mstkd.losses import adversarial_discriminator, adversarial_student
from nnunetv2_mstkd.losses.entropy_map import entropy_map


def judged(term: str, features: NetworkFeatures, regions: bool, valid: Tensor | None) -> Tensor:
    """Return what the discriminator of an adversarial term looks at, of one network.

    Args:
        term: adversarial.
        features: of the network.
        regions: whether the channels of the logits are regions.
        valid: (B, 1, *patch) bool, False where the ignore label is; None if there is no such label.

    Returns:
        the style (B, C_D, *grid), the entropy map (B, C, *patch) or the deepest feature (B, C_D, *grid).
    """
    if term == ENTROPY:
        return entropy_map(full_resolution(features.logits), regions, valid=valid)
    found: Tensor = features.style if term == ADVERSARIAL else features.encoded
    return found


def adversarial_term(
    term: str, student: NetworkFeatures, discriminator: nn.Module, target: StepTarget, sample_weights: Tensor
) -> Tensor:
    """Return the student's loss of one adversarial term.

    Args:
        term: adversarial.
        student: of the image with modalities missing.
        discriminator: of the term, not wrapped for DDP: no gradient goes to its weights.
        target: of the step.
        sample_weights: (B,), how much each sample counts.
    """
    scores = frozen_scores(discriminator, judged(term, student, target.regions, target.valid))
    return adversarial_student(scores, sample_weights=sample_weights)


def frozen_scores(discriminator: Any, student_judged: Tensor) -> Tensor:
    """Return a discriminator's scores with gradient to what it judges, none to the discriminator's weights."""
    weights = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    return functional_call(discriminator, weights, (student_judged,))


def discriminator_loss(
    discriminator: nn.Module, teacher_judged: Tensor, student_judged: Tensor, target: StepTarget
) -> Tensor:
    """Return a discriminator's loss on what it judges, detached: the teacher's is full, the student's lacks something.

    Teachers that lack modalities do not count as full, nor complete students as lacking. One forward pass serves both,
    for DDP.
    """
    scores = discriminator(torch.cat((teacher_judged.detach(), student_judged.detach())))
    teacher_scores, student_scores = scores.chunk(2)
    return adversarial_discriminator(
        teacher_scores,
        student_scores,
        sample_weights=(~target.is_complete).to(scores),
        teacher_weights=target.teacher_is_complete.to(scores),
    )
