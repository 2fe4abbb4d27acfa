"""nnU-Net's segmentation loss without what it has around it (L3)."""

import copy
from typing import Any

from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper


def of_one_scale(loss: Any) -> Any:
    """Return the loss of logits (B, C, *patch) without deep supervision."""
    return loss.loss if isinstance(loss, DeepSupervisionWrapper) else loss


def within_rank(loss: Any) -> Any:
    """Return a copy of a loss whose batch Dice is of what one rank has, and waits for no other.

    Args:
        loss: without deep supervision.
    """
    alone = copy.deepcopy(loss)
    for part in alone.modules():
        if hasattr(part, "ddp"):
            part.ddp = False
    return alone
