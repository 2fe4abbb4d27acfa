"""GSM: matching of the cross-Gram matrices of feature pairs (L1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shapes, stop_gradient
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def global_style_matching(
    teacher_features: Sequence[Tensor],
    student_features: Sequence[Tensor],
    *,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the squared difference of the cross-Gram matrices of cyclic pairs of features.

    A cross-Gram matrix G = a b^T / V says which channels of a and b fire together, but not where: that is the style.
    It is of order 1 for features of unit scale, however many voxels there are.

    Args:
        teacher_features: f_0, f_1, ..., each float (B, C_i, *S) with V voxels on the one grid S; C_i may differ. The
            pairs are (f_i, f_{i-1}), f_0 with the last. One feature alone is paired with itself.
        student_features: the same shapes in the same order.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar >= 0: mean over the C_i * C_{i-1} entries, summed over pairs, mean over batch; 0 iff all Gram
        matrices are equal.

    Raises:
        ShapeError: if there is no feature, the shapes or their number differ, the features lie on different grids, or
            the weights are not one per sample.

    Source: MST-KDNet (arXiv 2507.22626), L_M1..3. Differs in: the released value is ours
    * 1e-4 / (4 C^2 (H W)^2) for B = 1 and equal C, with H and W the first two spatial axes, about 1e-14 in practice;
    one Gram matrix per sample; stop-gradient on the teacher; sample weights.

    Example:
        >>> import torch
        >>> ones = torch.ones(1, 2, 4, 4)
        >>> global_style_matching([ones, ones], [2 * ones, ones])  # G = 1 against 2, two pairs
        tensor(2.)
    """
    check_same_shapes("features", teacher_features, student_features, "(B, C, *S)", min_axes=3)
    if len({tuple(feature.shape[2:]) for feature in teacher_features}) > 1:
        shapes = [tuple(feature.shape) for feature in teacher_features]
        raise ShapeError(f"features can only be paired on one spatial grid, but their shapes are {shapes}")
    teacher = [stop_gradient(feature, detach_teacher) for feature in teacher_features]
    return batch_mean(_compare_grams(teacher, student_features), sample_weights)


@in_full_precision
def _compare_grams(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    per_pair = [
        (teacher_gram - student_gram).square().mean((1, 2))
        for teacher_gram, student_gram in zip(_cyclic_grams(teacher), _cyclic_grams(student), strict=True)
    ]
    return torch.stack(per_pair).sum(0)  # (B,)


def _cyclic_grams(features: Sequence[Tensor]) -> list[Tensor]:
    """Return a (B, C_i, C_{i-1}) per pair (f_i, f_{i-1})."""
    flat = [feature.flatten(2) for feature in features]  # (B, C_i, V)
    return [flat[i] @ (flat[i - 1] / flat[i].shape[2]).transpose(1, 2) for i in range(len(flat))]
