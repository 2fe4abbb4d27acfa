"""How far normal distributions are from the standard one (L1)."""

from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses._reduction import batch_mean
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def gaussian_kl(mean: Tensor, log_variance: Tensor, *, sample_weights: Tensor | None = None) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, 1)), its mean over the elements.

    Args:
        mean: float (B, C, *S).
        log_variance: float, the same shape.
        sample_weights: (B,), the factor of each sample; None for ones.

    Returns:
        float scalar >= 0, mean over channels, voxels and batch; 0 iff all are standard normal distributions.

    Raises:
        ShapeError: if the shapes differ or there is nothing, or the weights are not one per sample.

    Source: RA-HVED's released code: (mean^2 + variance - 1 - log variance) / 2, mean over elements.

    Example:
        >>> import torch
        >>> gaussian_kl(torch.full((1, 2, 4, 4), 2.0), torch.zeros(1, 2, 4, 4))
        tensor(2.)
    """
    if mean.shape != log_variance.shape or mean.ndim < 2 or mean.numel() == 0:
        shapes = f"mean {tuple(mean.shape)}, log_variance {tuple(log_variance.shape)}"
        raise ShapeError(f"expected (B, C, *S) twice, not empty, but the shapes are: {shapes}")
    return batch_mean(divergence(mean, log_variance), sample_weights)


@in_full_precision
def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return each sample's KL divergence (B,), the mean over its elements, of (B, ...) twice."""
    elementwise = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
    return elementwise.flatten(1).mean(1)
