"""L_KL for regions and for two classes: a Bernoulli divergence of standardised logits (L1)."""

import torch.nn.functional as F
from torch import Tensor

from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shape, stop_gradient, valid_voxels, voxel_mean
from nnunetv2_mstkd.losses._standardization import center
from nnunetv2_mstkd.losses.full_precision import in_full_precision

# In logits. A patch without the region has almost no spread; dividing by that would turn noise into a signal.
_MIN_STD = 1.0


def region_logit_distillation(
    teacher_logits: Tensor,
    student_logits: Tensor,
    temperature: float = 7.0,
    *,
    reverse: bool = False,
    valid: Tensor | None = None,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the divergence of the softened, standardised region probabilities, KL(teacher || student).

    With Z = (l - mean) / max(std, 1), the mean and unbiased std of each sample and region taken over its valid voxels,
    the Bernoulli distributions sigmoid(Z / temperature) are compared. Two exclusive classes are one region: give the
    difference of their logits, as `standardized_logit_distillation` does.

    Args:
        teacher_logits: float (B, C, *S). Raw scores, one channel per region, axis 1; C >= 1.
        student_logits: float, the same shape.
        temperature: > 0, unitless; the higher, the softer.
        reverse: True for KL(student || teacher).
        valid: bool or 0/1 (B, 1, *S), False where the voxel is to be ignored; None if all count.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar >= 0: temperature^2 * mean over regions, valid voxels and batch; 0 iff the standardised logits are
        equal.

    Raises:
        ShapeError: if the shapes differ, `valid` is not (B, 1, *S), or the weights are not one per sample.
        ValueError: if temperature <= 0.

    Source: MST-KDNet (arXiv 2507.22626), L_KL, carried over to regions. Differs in: Bernoulli instead of a softmax
    over channels that do not exclude each other, statistics over voxels, a floor of one logit on the std,
    stop-gradient on the teacher.

    Example:
        >>> import torch
        >>> logits = torch.tensor([-2.0, 0.0, 2.0]).reshape(1, 1, 1, 3)
        >>> region_logit_distillation(logits, 5 * logits + 1)  # standardised, they are equal
        tensor(0.)
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be > 0")
    check_same_shape("logits", teacher_logits, student_logits, "(B, C, *S)", min_axes=3)
    teacher = stop_gradient(teacher_logits, detach_teacher)
    source, target = (student_logits, teacher) if reverse else (teacher, student_logits)
    return batch_mean(_divergence(source, target, valid_voxels(valid, teacher), temperature), sample_weights)


@in_full_precision
def _divergence(source: Tensor, target: Tensor, valid: Tensor | None, temperature: float) -> Tensor:
    """Return temperature^2 * KL(source || target), (B,)."""
    p = _standardize(source, valid) / temperature
    q = _standardize(target, valid) / temperature
    # sigmoid(-z) = 1 - sigmoid(z): both sides of the Bernoulli distribution, without a logarithm of 0.
    inside = F.kl_div(F.logsigmoid(q), F.logsigmoid(p), reduction="none", log_target=True)
    outside = F.kl_div(F.logsigmoid(-q), F.logsigmoid(-p), reduction="none", log_target=True)
    return temperature**2 * voxel_mean((inside + outside).mean(1), valid)


def _standardize(logits: Tensor, valid: Tensor | None) -> Tensor:
    centered, variance = center(logits, tuple(range(2, logits.ndim)), valid)
    return centered / variance.clamp_min(_MIN_STD**2).sqrt()
