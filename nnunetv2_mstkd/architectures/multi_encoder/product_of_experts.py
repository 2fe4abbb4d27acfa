"""Fusion of what each modality believes, as a product of normal distributions (L1)."""

import torch
from torch import Tensor

_VARIANCE_FLOOR = 1e-8  # of one expert; bounds its precision


def product_of_experts(means: Tensor, log_variances: Tensor, modality_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Multiply the normal distributions of the modalities that are there, and a standard one as prior.

        T_i = 1 / (variance_i + 1e-8),   variance = 1 / (1 + sum T_i),   mean = variance * sum T_i mean_i

    over the modalities i that are there. An absent one is no factor: neither its value, NaN even, nor its gradient
    counts.

    Args:
        means: float (B, M, C, *grid).
        log_variances: float, the same shape.
        modality_mask: bool (B, M).

    Returns:
        (mean, log variance) of the product, each (B, C, *grid), in float32 (float64 inputs stay float64), also under
        autocast: precisions span more than half-precision numbers hold.

    Source: RA-HVED's released code (U-HVED's fusion, arXiv 1907.11150).
    """
    absent = ~modality_mask.reshape(*modality_mask.shape, *(1,) * (means.ndim - 2))
    precise = torch.promote_types(means.dtype, torch.float32)
    means = means.to(precise).masked_fill(absent, 0)
    variances = log_variances.to(precise).masked_fill(absent, 0).exp()
    precisions = (variances + _VARIANCE_FLOOR).reciprocal().masked_fill(absent, 0)
    total = 1 + precisions.sum(dim=1)
    return (precisions * means).sum(dim=1) / total, -total.log()
