"""One teacher/student step as functions of tensors (L2)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.distillation.adversarial import adversarial_term
from nnunetv2_mstkd.distillation.feature_scale import in_teacher_units
from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION, precise_loss
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.step_target import StepTarget, full_resolution
from nnunetv2_mstkd.distillation.terms import COMPARED_FEATURES, MUTUAL_INFORMATION, active_weights
from nnunetv2_mstkd.losses import (
    content_distillation,
    extreme_value_distillation,
    global_style_matching,
    multiscale_feature_distillation,
    mutual_information_transfer,
    probability_consistency,
    region_logit_distillation,
    standardized_logit_distillation,
)

TEACHER_SEGMENTATION = "teacher_segmentation"


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
    branches[SEGMENTATION] = student
    return {name: precise_loss(each.logits, target.target, segmentation_loss) for name, each in branches.items()}


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
    for term, discriminator in discriminators.items():
        compute[term] = partial(adversarial_term, term, student, discriminator, target, weights)
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


def style_triple(features: NetworkFeatures) -> tuple[Tensor, Tensor, Tensor]:
    """Return what global style matching compares: encoder feature, style, content."""
    return features.encoded, features.style, features.content


def total_loss(terms: dict[str, Tensor], settings: DistillationSettings, ramp: float) -> Tensor:
    """Return the weighted sum of segmentation and distillation terms, the latter times the ramp."""
    total = terms[SEGMENTATION]
    if settings.trains_teacher:
        total = total + settings.weight_teacher_segmentation * terms[TEACHER_SEGMENTATION]
    for term, weight in active_weights(settings).items():
        total = total + ramp * weight * terms[term]
    return total
