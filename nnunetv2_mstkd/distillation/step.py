"""One teacher/student step as functions of tensors (L2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.distillation.feature_scale import in_teacher_units
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.terms import (
    ADVERSARIAL,
    COMPARED_FEATURES,
    ENTROPY,
    KNOWLEDGE,
    MUTUAL_INFORMATION,
    active_weights,
)
from nnunetv2_mstkd.losses import (
    adversarial_discriminator,
    adversarial_student,
    content_distillation,
    extreme_value_distillation,
    global_style_matching,
    multiscale_feature_distillation,
    mutual_information_transfer,
    probability_consistency,
    region_logit_distillation,
    standardized_logit_distillation,
)
from nnunetv2_mstkd.losses._precision import in_full_precision
from nnunetv2_mstkd.losses.entropy_map import entropy_map

TEACHER_SEGMENTATION = "teacher_segmentation"
STUDENT_SEGMENTATION = "segmentation"


@dataclass(frozen=True)
class StepTarget:
    """What a step's outputs are compared with.

    Args:
        target: as nnU-Net's loss takes it: one tensor, or with deep supervision a list of them.
        regions: True if the channels of the logits are regions (sigmoid), False if they are labels (softmax).
        valid: (B, 1, *patch) bool, False where the ignore label is; None if there is no such label.
        is_complete: (B,) bool, True for samples whose subset lacks nothing.
        teacher_is_complete: (B,) bool, True for samples of which the teacher sees all modalities.
    """

    target: Tensor | list[Tensor]
    regions: bool
    valid: Tensor | None
    is_complete: Tensor
    teacher_is_complete: Tensor


def needs_attention(settings: DistillationSettings) -> bool:
    """Return whether a step must compute attention maps; otherwise attention runs fused."""
    return settings.use_multiscale_transformer and settings.weight_extreme_value > 0


def segmentation_terms(
    teacher: NetworkFeatures,
    student: NetworkFeatures,
    target: StepTarget,
    segmentation_loss: Callable[[Any, Any], Tensor],
    settings: DistillationSettings,
) -> dict[str, Tensor]:
    """Return nnU-Net's loss for both branches, in float32; for the student alone if the teacher is not trained."""
    branches = {TEACHER_SEGMENTATION: teacher} if settings.trains_teacher else {}
    branches[STUDENT_SEGMENTATION] = student
    return {
        name: _segmentation_term(features.logits, target.target, segmentation_loss)
        for name, features in branches.items()
    }


@in_full_precision
def _segmentation_term(logits: Any, target: Any, segmentation_loss: Callable[[Any, Any], Tensor]) -> Tensor:
    return segmentation_loss(logits, target)


def distillation_terms(
    teacher: NetworkFeatures,
    student: NetworkFeatures,
    discriminators: Mapping[str, nn.Module],
    target: StepTarget,
    settings: DistillationSettings,
    regressor: Any = None,
) -> dict[str, Tensor]:
    """Return each active distillation term, not yet weighted; its mean is over all samples of the batch.

    A sample counts in full where the teacher sees all modalities, else with `incomplete_teacher_weight`: a teacher that
    lacks something itself is no witness of what the student lacks.

    Args:
        teacher: of all that there is of the image.
        student: of the image with modalities missing.
        discriminators: of each active adversarial term, not wrapped for DDP: no gradient goes to their weights here.
        target: of the step.
        settings: which terms, in which form.
        regressor: an InformationRegressor, under DDP in its wrapper; None if no term needs it.
    """
    weights = sample_weights(target.teacher_is_complete, settings)
    options: dict[str, Any] = {"sample_weights": weights, "detach_teacher": not settings.co_training}
    terms = active_weights(settings)
    features = teacher, student
    if settings.relative_features:
        features = in_teacher_units(*features, {name for term in terms for name in COMPARED_FEATURES.get(term, ())})
    compute: dict[str, Callable[[], Tensor]] = {
        "consistency": lambda: _consistency_term(teacher, student, target, options),
        "logits": lambda: _logit_term(teacher, student, target, settings, options),
        "content": lambda: content_distillation(*(f.content for f in features), **options),
        "multiscale": lambda: multiscale_feature_distillation(*(f.multiscale for f in features), **options),
        "extreme_value": lambda: extreme_value_distillation(
            teacher.attention, student.attention, settings.extreme_value_normalization, **options
        ),
        "style_matching": lambda: global_style_matching(*map(style_triple, features), **options),
        "gram_style": lambda: global_style_matching(*([f.style] for f in features), **options),
        MUTUAL_INFORMATION: lambda: mutual_information_transfer(
            teacher.encoded, *regressor(student.encoded), **options
        ),
    }
    for term in (ADVERSARIAL, ENTROPY, KNOWLEDGE):
        compute[term] = partial(_adversarial_term, term, student, discriminators, target, weights)
    return {term: compute[term]() for term in terms}


def sample_weights(teacher_is_complete: Tensor, settings: DistillationSettings) -> Tensor:
    """Return the factor of each sample (B,) in all distillation terms, float."""
    weights = teacher_is_complete.float()
    return weights + settings.incomplete_teacher_weight * (1 - weights)


def _consistency_term(
    teacher: NetworkFeatures, student: NetworkFeatures, target: StepTarget, options: dict[str, Any]
) -> Tensor:
    logits = full_resolution(teacher.logits), full_resolution(student.logits)
    return probability_consistency(*logits, target.regions, valid=target.valid, **options)


def _adversarial_term(
    term: str,
    student: NetworkFeatures,
    discriminators: Mapping[str, nn.Module],
    target: StepTarget,
    weights: Tensor,
) -> Tensor:
    scores = frozen_scores(discriminators[term], judged(term, student, target.regions, target.valid))
    return adversarial_student(scores, sample_weights=weights)


def _logit_term(
    teacher: NetworkFeatures,
    student: NetworkFeatures,
    target: StepTarget,
    settings: DistillationSettings,
    options: dict[str, Any],
) -> Tensor:
    form = region_logit_distillation
    if not target.regions:
        form = partial(standardized_logit_distillation, standardize_dim=settings.standardize_dim)
    logits = full_resolution(teacher.logits), full_resolution(student.logits)
    return form(*logits, settings.temperature, reverse=settings.reverse_kl, valid=target.valid, **options)


def total_loss(terms: dict[str, Tensor], settings: DistillationSettings, ramp: float) -> Tensor:
    """Return the weighted sum of segmentation and distillation terms, the latter times the ramp."""
    total = terms[STUDENT_SEGMENTATION]
    if settings.trains_teacher:
        total = total + settings.weight_teacher_segmentation * terms[TEACHER_SEGMENTATION]
    for term, weight in active_weights(settings).items():
        total = total + ramp * weight * terms[term]
    return total


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


def frozen_scores(discriminator: Any, student_judged: Tensor) -> Tensor:
    """Return a discriminator's scores with gradient to what it judges, none to the discriminator's weights."""
    weights = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    return functional_call(discriminator, weights, (student_judged,))


def style_triple(features: NetworkFeatures) -> tuple[Tensor, Tensor, Tensor]:
    """Return what global style matching compares: encoder feature, style, content."""
    return features.encoded, features.style, features.content


def full_resolution(logits: Tensor | list[Tensor]) -> Tensor:
    """Return the logits at the patch's own resolution."""
    return logits[0] if isinstance(logits, list | tuple) else logits


def valid_voxels(target: Tensor | list[Tensor], regions: bool, ignore_label: int | None) -> Tensor | None:
    """Return bool (B, 1, *patch), False where nnU-Net's target has the ignore label; None if there is no such label."""
    if ignore_label is None:
        return None
    finest = full_resolution(target)
    if regions:
        return ~finest[:, -1:].bool()  # the last region is the ignore label
    return finest != ignore_label
