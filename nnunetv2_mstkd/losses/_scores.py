"""Raw scores of the discriminator: their shape and their cross entropy (L1)."""

import torch.nn.functional as F
from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses.full_precision import in_full_precision


@in_full_precision
def cross_entropy_with_full(scores: Tensor) -> Tensor:
    """Return each sample's binary cross entropy against "full", (B,), from raw scores (B,) or (B, 1).

    Negated scores give the cross entropy against "missing", as 1 - sigmoid(score) = sigmoid(-score).
    """
    return -F.logsigmoid(scores.flatten())


def check_scores(**scores: Tensor) -> None:
    """Check that each argument holds one raw score per sample, and all equally many.

    Raises:
        ShapeError: if one is not (B,) or (B, 1), or the batch sizes differ.
    """
    shapes = ", ".join(f"{name} {tuple(score.shape)}" for name, score in scores.items())
    for score in scores.values():
        if score.ndim not in (1, 2) or score.numel() != score.shape[0] or score.numel() == 0:
            raise ShapeError(f"scores must be one per sample, (B,) or (B, 1), but the shapes are: {shapes}")
    if len({len(score) for score in scores.values()}) > 1:
        raise ShapeError(f"scores must come from batches of one size, but the shapes are: {shapes}")
