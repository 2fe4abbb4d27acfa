"""How far the reconstructions of modalities are from their images, where there are images (L1)."""

from typing import Literal

from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses._reduction import batch_mean
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def masked_reconstruction(
    reconstruction: Tensor,
    image: Tensor,
    counts: Tensor,
    *,
    power: Literal[1, 2],
    sample_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean absolute or squared difference over the modalities that count.

    What the image holds where a modality does not count has no influence, NaN neither: a case that lacks a modality
    has nothing to be reconstructed there, least of all zeros.

    Args:
        reconstruction: float (B, M, *S).
        image: float, the same shape.
        counts: bool (B, M), False where the modality's image is not there.
        power: of the difference: 1 absolute, 2 squared.
        sample_weights: (B,), the factor of each sample; None for ones.

    Returns:
        float scalar >= 0, mean over each sample's voxels and counting modalities, and over the batch. A sample without
        any such modality contributes exactly 0.

    Raises:
        ShapeError: if the shapes do not belong together, or the weights are not one per sample.
        ValueError: if the power is neither 1 nor 2.

    Source: RA-HVED's released code (squared) and RMBTS's (absolute), over all modalities. Differs in: only modalities
    that the case has.

    Example:
        >>> import torch
        >>> image, counts = torch.zeros(1, 2, 4, 4), torch.tensor([[True, False]])
        >>> masked_reconstruction(torch.full((1, 2, 4, 4), 3.0), image, counts, power=2)
        tensor(9.)
    """
    if power not in (1, 2):
        raise ValueError(f"power is {power!r}: 1 is the absolute difference, 2 the squared one")
    shapes = f"reconstruction {tuple(reconstruction.shape)}, image {tuple(image.shape)}, counts {tuple(counts.shape)}"
    if reconstruction.shape != image.shape or counts.shape != image.shape[:2] or image.ndim < 3:
        raise ShapeError(f"expected (B, M, *S) twice and (B, M), but the shapes are: {shapes}")
    return batch_mean(_difference(reconstruction, image, counts.bool(), power), sample_weights)


@in_full_precision
def _difference(reconstruction: Tensor, image: Tensor, counts: Tensor, power: int) -> Tensor:
    absent = ~counts.reshape(*counts.shape, *(1,) * (image.ndim - 2))
    difference = (reconstruction - image).masked_fill(absent, 0)
    by_modality = (difference.abs() if power == 1 else difference.square()).flatten(2).mean(2)  # (B, M)
    return by_modality.sum(1) / counts.sum(1).clamp_min(1)  # (B,)
