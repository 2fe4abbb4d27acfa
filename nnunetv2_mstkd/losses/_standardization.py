"""Centring and variance of logits along chosen axes, over valid voxels (L1)."""

import math

from torch import Tensor


def center(logits: Tensor, axes: tuple[int, ...], valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the logits less their mean, and their unbiased variance.

    Fewer than two values have variance 0. Constant logits give zeros up to the square of the rounding error, so that
    dividing by a tiny spread does not turn rounding into a signal.

    Args:
        logits: float (B, C, *S).
        axes: the axes that the statistics run over. With `valid`, spatial axes only.
        valid: bool (B, 1, *S), or None if all voxels count. Invalid voxels are 0 in the result.

    Returns:
        The centred logits, float (B, C, *S), and the variance, the same with each of `axes` of size 1.
    """
    count = _count(logits, axes, valid)
    centered = logits
    # Twice: the rounding of the first mean is itself a constant, which the second pass takes away.
    for _ in range(2):
        centered = centered - _keep(centered, valid).sum(axes, keepdim=True) / count.clamp_min(1)
    centered = _keep(centered, valid)
    variance = centered.square().sum(axes, keepdim=True) / (count - 1).clamp_min(1)
    return centered, variance


def _count(logits: Tensor, axes: tuple[int, ...], valid: Tensor | None) -> Tensor:
    """Return how many values each statistic runs over, broadcastable to the logits."""
    if valid is None:
        return logits.new_full((), math.prod([logits.shape[axis] for axis in axes]))
    return valid.sum(axes, keepdim=True)


def _keep(logits: Tensor, valid: Tensor | None) -> Tensor:
    return logits if valid is None else logits * valid
