"""Features of modalities that are not there (L1)."""

from torch import Tensor


def mask_features(features: Tensor, modality_mask: Tensor) -> Tensor:
    """Return features (B, M, ...) that are exactly zero, without gradient, where the mask (B, M) is False."""
    absent = ~modality_mask.reshape(*modality_mask.shape, *(1,) * (features.ndim - 2))
    return features.masked_fill(absent, 0)


def masked_concatenation(features: Tensor, modality_mask: Tensor) -> Tensor:
    """Return the channels of all modalities side by side, those of absent ones zero.

    Args:
        features: (B, M, C, *grid).
        modality_mask: bool (B, M).

    Returns:
        (B, M * C, *grid).
    """
    return mask_features(features, modality_mask).flatten(1, 2)
