"""L_EVD: distillation of attention maps weighted with their extremes over the depth (L1)."""

from collections.abc import Sequence
from functools import reduce
from typing import Literal, get_args

import torch
from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shapes, stop_gradient
from nnunetv2_mstkd.losses.full_precision import in_full_precision

Normalization = Literal["rows", "tokens"]

# Keeps a row finite whose products all vanish. A uniform map's row sums to 1 / N, far above it for any grid we allow.
_ROW_EPSILON = 1e-6


def extreme_value_distillation(
    teacher_attention: Sequence[Tensor],
    student_attention: Sequence[Tensor],
    normalization: Normalization = "rows",
    *,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the squared difference of the attention maps, each weighted with the maps' max, min and mean over depth.

    With A_k the map at depth k and A_ext the elementwise maximum, minimum or mean over k, W = A_k * A_ext is compared.
    "rows" bounds the loss (2 per depth, whatever the grid); "tokens" is the published form made independent of the
    grid while attention is uniform, but it grows without bound as attention sharpens.

    Args:
        teacher_attention: one float (B, heads, Q, N) per depth, softmax over the keys N; equal shapes.
        student_attention: the same shapes in the same order.
        normalization: "rows": W is renormalised to W / (sum over keys + 1e-6); squared differences are summed over
            keys, averaged over heads and queries, summed over depths, averaged over the three extremes.
            "tokens": each map is multiplied by N first; squared differences are averaged over heads, queries and keys,
            summed over depths and extremes.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar >= 0, mean over batch; 0 if the maps are equal. "rows": at most 2 per depth.

    Raises:
        ShapeError: if there is no map, the shapes or their number differ, or the weights are not one per sample.
        ValueError: if the normalization is unknown.

    Source: MST-KDNet (arXiv 2507.22626), L_EVD, as released. Differs in: the default normalisation. "tokens" is the
    released value * N^4. Both: stop-gradient on the teacher, any number of depths, sample weights.

    Example:
        >>> import torch
        >>> uniform, sharp = torch.full((1, 1, 2, 2), 0.5), torch.eye(2)[None, None]
        >>> extreme_value_distillation([uniform], [sharp], "tokens")  # for each extreme, the mean of 3^2 and 1^2
        tensor(15.)
    """
    if normalization not in get_args(Normalization):
        raise ValueError(f"normalization={normalization!r} is unknown; choose one of {list(get_args(Normalization))}")
    check_same_shapes("attention", teacher_attention, student_attention, "(B, heads, Q, N)", min_axes=4)
    if len({tuple(attention.shape) for attention in teacher_attention}) > 1:
        shapes = [tuple(attention.shape) for attention in teacher_attention]
        raise ShapeError(f"the maps' extremes over depth need equal shapes at all depths, but they are {shapes}")
    teacher = [stop_gradient(attention, detach_teacher) for attention in teacher_attention]
    compare = _compare_rows if normalization == "rows" else _compare_tokens
    return batch_mean(compare(teacher, student_attention), sample_weights)


@in_full_precision
def _compare_rows(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    total = student[0].new_zeros(len(student[0]))  # (B,)
    # One extreme and one depth at a time: all the products at once would be 3 * depths maps of N * N.
    for teacher_extreme, student_extreme in zip(_extremes(teacher), _extremes(student), strict=True):
        for t, s in zip(teacher, student, strict=True):
            difference = _renormalize(t * teacher_extreme) - _renormalize(s * student_extreme)
            total = total + difference.square().sum(-1).mean((1, 2))
    return total / 3


@in_full_precision
def _compare_tokens(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    tokens = student[0].shape[-1]
    total = student[0].new_zeros(len(student[0]))  # (B,)
    for teacher_extreme, student_extreme in zip(_extremes(teacher), _extremes(student), strict=True):
        for t, s in zip(teacher, student, strict=True):
            difference = (t * teacher_extreme - s * student_extreme) * tokens**2
            total = total + difference.square().mean((1, 2, 3))
    return total


def _extremes(attention: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the elementwise maximum, minimum and mean over the depths, without stacking them."""
    mean = reduce(torch.add, attention) / len(attention)
    return reduce(torch.maximum, attention), reduce(torch.minimum, attention), mean


def _renormalize(weighted: Tensor) -> Tensor:
    return weighted / (weighted.sum(-1, keepdim=True) + _ROW_EPSILON)
