"""Least-squares adversarial losses: scores are pulled to 1 for real, to 0 for made (L1)."""

from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses._reduction import batch_mean
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def least_squares_adversarial(scores: Tensor, target: float = 1.0, *, sample_weights: Tensor | None = None) -> Tensor:
    """Return the mean squared difference of a discriminator's scores from what they are to be.

    With the target 1 it is what a generator pays for scores that tell its output from real; the discriminator itself
    pays half of target 0 on what is made and half of target 1 on what is real.

    Args:
        scores: float (B, *S), raw, one for each place of the discriminator's grid.
        target: 1 for real, 0 for made.
        sample_weights: (B,), the factor of each sample; None for ones.

    Returns:
        float scalar >= 0, mean over places and batch.

    Raises:
        ShapeError: if there are no scores, or the weights are not one per sample.

    Source: Least Squares GAN (arXiv 1611.04076), as in RA-HVED's released code.

    Example:
        >>> import torch
        >>> least_squares_adversarial(torch.zeros(3, 1, 2, 2))
        tensor(1.)
    """
    if scores.ndim < 1 or scores.numel() == 0:
        raise ShapeError(f"expected scores (B, *S), not empty; given: {tuple(scores.shape)}")
    return batch_mean(_squared_difference(scores, target), sample_weights)


@in_full_precision
def _squared_difference(scores: Tensor, target: float) -> Tensor:
    return (scores - target).square().reshape(len(scores), -1).mean(1)  # (B,)
