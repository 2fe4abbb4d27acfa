"""The segmentation loss of a network that is trained (L2)."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from nnunetv2_mstkd.losses.full_precision import in_full_precision

SEGMENTATION = "segmentation"  # among a step's loss terms: of the network that predicts


@in_full_precision
def precise_loss(logits: Any, target: Any, loss: Callable[[Any, Any], Tensor]) -> Tensor:
    """Return nnU-Net's loss in full precision; logits and target are lists with deep supervision."""
    return loss(logits, target)
