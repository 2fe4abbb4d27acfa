"""L_MST: distillation of the transformer's features at several scales (L1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shapes, stop_gradient
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def multiscale_feature_distillation(
    teacher_features: Sequence[Tensor],
    student_features: Sequence[Tensor],
    *,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the sum over the scales of the mean squared difference of the features.

    Each scale is averaged over its own channels and voxels, so that a fine scale does not outweigh a coarse one.

    Args:
        teacher_features: one float (B, C_j, *S_j) per scale j, in any order; C_j and S_j may differ between scales.
        student_features: the same shapes in the same order.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar >= 0, summed over scales, mean over batch; 0 iff all features are equal.

    Raises:
        ShapeError: if there is no scale, the shapes or their number differ, or the weights are not one per sample.

    Source: MST-KDNet (arXiv 2507.22626), L_MST, as released: a sum of MSEs. Differs in: stop-gradient on the teacher,
    any number of scales, sample weights.

    Example:
        >>> import torch
        >>> teacher = [torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 2)]
        >>> multiscale_feature_distillation(teacher, [teacher[0] + 1, teacher[1] + 2])
        tensor(5.)
    """
    check_same_shapes("features", teacher_features, student_features, "(B, C, *S)", min_axes=2)
    teacher = [stop_gradient(feature, detach_teacher) for feature in teacher_features]
    return batch_mean(_sum_of_squared_differences(teacher, student_features), sample_weights)


@in_full_precision
def _sum_of_squared_differences(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    per_scale = [(t - s).square().flatten(1).mean(1) for t, s in zip(teacher, student, strict=True)]
    return torch.stack(per_scale).sum(0)  # (B,)
