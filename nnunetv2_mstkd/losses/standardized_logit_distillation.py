"""L_KL for three classes or more: a divergence of standardised logits (L1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shape, stop_gradient, valid_voxels, voxel_mean
from nnunetv2_mstkd.losses._standardization import center
from nnunetv2_mstkd.losses.full_precision import in_full_precision
from nnunetv2_mstkd.losses.region_logit_distillation import region_logit_distillation

# Added to the std, as released.
_STD_EPSILON = 1e-7


def standardized_logit_distillation(
    teacher_logits: Tensor,
    student_logits: Tensor,
    temperature: float = 7.0,
    standardize_dim: int = 1,
    reverse: bool = False,
    *,
    valid: Tensor | None = None,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the divergence of the softened class probabilities of standardised logits, KL(teacher || student).

    With Z = (l - mean) / (1e-7 + unbiased std) along `standardize_dim`, softmax(Z / temperature) over the classes is
    compared: the student learns how the classes relate, not how large the teacher's logits are. Two classes
    standardised over the class axis are always +-1/sqrt(2), with no gradient; the difference of their logits then goes
    to `region_logit_distillation`.

    Args:
        teacher_logits: float (B, C, *S). Raw scores, class axis 1; C >= 2.
        student_logits: float, the same shape.
        temperature: > 0, unitless; the higher, the softer.
        standardize_dim: the axis of the statistics: 1 for the classes, or a spatial axis; negative counts from the end.
        reverse: True for KL(student || teacher).
        valid: bool or 0/1 (B, 1, *S), False where the voxel is to be ignored; None if all count. Statistics along a
            spatial axis skip these voxels too.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar >= 0: temperature^2 / C * sum over classes, mean over valid voxels and batch; 0 if the
        standardised logits are equal.

    Raises:
        ShapeError: if the shapes differ, `valid` is not (B, 1, *S), or the weights are not one per sample.
        ValueError: if temperature <= 0, there is one channel only, or `standardize_dim` is the batch or no axis.

    Source: MST-KDNet (arXiv 2507.22626), L_KL. Differs in: the released loss is standardize_dim=-1, reverse=True for
    B = 1 (for more it divides by B once too often); class axis and forward KL by default, two classes as one region,
    stop-gradient on the teacher.

    Example:
        >>> import torch
        >>> logits = torch.tensor([-2.0, 0.0, 2.0]).reshape(1, 3, 1, 1)
        >>> standardized_logit_distillation(logits, 5 * logits + 1).abs() < 1e-6  # standardised, they are equal
        tensor(True)
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be > 0")
    check_same_shape("logits", teacher_logits, student_logits, "(B, C, *S)", min_axes=3)
    axis = _checked_axis(standardize_dim, student_logits)
    if axis == 1 and student_logits.shape[1] == 2:
        return region_logit_distillation(
            _logit_difference(teacher_logits),
            _logit_difference(student_logits),
            temperature,
            reverse=reverse,
            valid=valid,
            sample_weights=sample_weights,
            detach_teacher=detach_teacher,
        )
    teacher = stop_gradient(teacher_logits, detach_teacher)
    source, target = (student_logits, teacher) if reverse else (teacher, student_logits)
    return batch_mean(_divergence(source, target, valid_voxels(valid, teacher), temperature, axis), sample_weights)


def _checked_axis(standardize_dim: int, logits: Tensor) -> int:
    """Return the axis counted from the front."""
    shape = tuple(logits.shape)
    if shape[1] == 1:
        raise ValueError(
            f"logits of shape {shape} have one channel, whose softmax is always 1: use region_logit_distillation"
        )
    if not -len(shape) <= standardize_dim < len(shape) or standardize_dim % len(shape) == 0:
        raise ValueError(
            f"standardize_dim={standardize_dim} does not fit logits of shape {shape}: "
            f"use 1 (classes) or a spatial axis, 2 to {len(shape) - 1}"
        )
    return standardize_dim % len(shape)


@in_full_precision
def _logit_difference(logits: Tensor) -> Tensor:
    return logits[:, 1:] - logits[:, :1]  # (B, 1, *S)


@in_full_precision
def _divergence(source: Tensor, target: Tensor, valid: Tensor | None, temperature: float, axis: int) -> Tensor:
    """Return temperature^2 / C * KL(source || target), (B,)."""
    log_p = F.log_softmax(_standardize(source, axis, valid) / temperature, 1)
    log_q = F.log_softmax(_standardize(target, axis, valid) / temperature, 1)
    per_voxel = F.kl_div(log_q, log_p, reduction="none", log_target=True).mean(1)  # (B, *S)
    return temperature**2 * voxel_mean(per_voxel, valid)


def _standardize(logits: Tensor, axis: int, valid: Tensor | None) -> Tensor:
    # Over the classes each voxel has its own statistics, so that the others' validity does not matter.
    centered, variance = center(logits, (axis,), None if axis == 1 else valid)
    # The square root has no derivative at 0; the smallest normal number is as good as 0 beside the epsilon.
    return centered / (_STD_EPSILON + variance.clamp_min(torch.finfo(variance.dtype).tiny).sqrt())
