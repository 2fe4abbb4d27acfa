"""How far the style parameters of modalities are from standard normal distributions (L1)."""

from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses._reduction import batch_mean
from nnunetv2_mstkd.losses.gaussian_kl import divergence


def style_kl(means: Tensor, log_variances: Tensor, counts: Tensor, *, sample_weights: Tensor | None = None) -> Tensor:
    """Return the mean over the modalities that count of KL(N(mean, exp(log_variance)) || N(0, 1)), summed over C.

    What is given where a modality does not count has no influence, NaN neither.

    Args:
        means: float (B, M, C).
        log_variances: float, the same shape.
        counts: bool (B, M), False where the modality's image is not there.
        sample_weights: (B,), the factor of each sample; None for ones.

    Returns:
        float scalar >= 0, sum over channels, mean over each sample's counting modalities, and over the batch. A sample
        without any such modality contributes exactly 0.

    Raises:
        ShapeError: if the shapes do not belong together, or the weights are not one per sample.

    Source: RMBTS's released code: summed over channels, too, and over all modalities. Differs in: the mean over the
    modalities that the case has (the trainer multiplies by M).

    Example:
        >>> import torch
        >>> means, counts = torch.full((1, 2, 3), 2.0), torch.tensor([[True, False]])
        >>> style_kl(means, torch.zeros(1, 2, 3), counts)
        tensor(6.)
    """
    if means.ndim != 3 or log_variances.shape != means.shape or counts.shape != means.shape[:2]:
        shapes = f"means {tuple(means.shape)}, log_variances {tuple(log_variances.shape)}, counts {tuple(counts.shape)}"
        raise ShapeError(f"expected (B, M, C) twice and (B, M), but the shapes are: {shapes}")
    counting = counts.bool()
    absent = ~counting.unsqueeze(2)
    rows = [values.masked_fill(absent, 0).flatten(0, 1) for values in (means, log_variances)]
    by_modality = means.shape[2] * divergence(*rows).reshape(counting.shape)  # (B, M), exactly 0 where absent
    return batch_mean(by_modality.sum(1) / counting.sum(1).clamp_min(1), sample_weights)
