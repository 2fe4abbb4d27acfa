"""How uncertain a prediction is, voxel by voxel: what ACN's entropy discriminator looks at (L1)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nnunetv2_mstkd.losses._reduction import valid_voxels
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def entropy_map(logits: Tensor, regions: bool, *, valid: Tensor | None = None) -> Tensor:
    """Return the entropy of the predicted probabilities, by channel.

    Labels exclude each other: I_c = -p_c log2 p_c / log2 C of the softmax, whose sum over the channels is at most 1.
    Regions do not: each channel has the entropy of its own sigmoid, -p log2 p - (1 - p) log2 (1 - p), at most 1.

    Args:
        logits: float (B, C, *S). Raw scores; C >= 2 for labels.
        regions: True: channels are regions that may overlap. False: they are exclusive classes.
        valid: bool or 0/1 (B, 1, *S), False where the voxel is to be ignored: it has entropy 0; None if all count.

    Returns:
        float (B, C, *S), >= 0.

    Raises:
        ShapeError: if `valid` is not (B, 1, *S).

    Source: ACN (arXiv 2106.14591), entropy-guided adversarial learning. Differs in: the released code takes the softmax
    over channels that are sigmoids already, so that even a certain prediction has an entropy above 0.

    Example:
        >>> import torch
        >>> entropy_map(torch.tensor([0.0, 100.0]).reshape(1, 2, 1), regions=True).flatten()
        tensor([1., 0.])
    """
    keep: Any = valid_voxels(valid, logits)
    entropy = _entropy(logits, regions)
    return entropy if keep is None else entropy.masked_fill(~keep, 0)


@in_full_precision
def _entropy(logits: Tensor, regions: bool) -> Tensor:
    # p log p from log p: no logarithm of 0, and no infinite derivative there
    if regions:
        inside, outside = F.logsigmoid(logits), F.logsigmoid(-logits)
        return -(torch.sigmoid(logits) * inside + torch.sigmoid(-logits) * outside) / math.log(2)
    log_probs = F.log_softmax(logits, 1)
    return -log_probs.exp() * log_probs / math.log(logits.shape[1])
