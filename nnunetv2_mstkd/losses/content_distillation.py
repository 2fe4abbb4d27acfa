"""Distillation of the bottleneck's content feature (L1)."""

from torch import Tensor

from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shape, stop_gradient
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def content_distillation(
    teacher_content: Tensor,
    student_content: Tensor,
    *,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the mean squared difference of the content features.

    The content is what the anatomy says, whatever the modality; the student should find it in the modalities it has.

    Args:
        teacher_content: float (B, C, *S), unitless.
        student_content: float, the same shape.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar >= 0, mean over channels, voxels and batch; 0 iff the features are equal.

    Raises:
        ShapeError: if the shapes differ, or the weights are not one per sample.

    Source: released MST-KDNet code, MSE(content). Differs in: stop-gradient on the teacher, sample weights.

    Example:
        >>> import torch
        >>> content_distillation(torch.zeros(1, 2, 4, 4), torch.full((1, 2, 4, 4), 3.0))
        tensor(9.)
    """
    check_same_shape("content", teacher_content, student_content, "(B, C, *S)", min_axes=2)
    per_sample = _squared_difference(stop_gradient(teacher_content, detach_teacher), student_content)
    return batch_mean(per_sample, sample_weights)


@in_full_precision
def _squared_difference(teacher: Tensor, student: Tensor) -> Tensor:
    return (teacher - student).square().flatten(1).mean(1)  # (B,)
