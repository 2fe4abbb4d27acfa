"""Whether an engine decides as torch in float32 does (L3)."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

LEAST_SHARE = 0.999  # of the voxels of a tile on which the decisions have to be the same
# In logits. Regions: as far as a probability of 0.27 or 0.73 is from 0.5. bfloat16 has eight significant bits, so that
# logits of trained networks move by some tenths: a voxel that changes sides from further away is no rounding.
CLEAR_MARGIN = 1.0


@dataclass(frozen=True)
class Agreement:
    """How an engine's decisions compare with the reference's.

    Args:
        share: of the voxels that are decided alike, 0 to 1; of regions, the least of any.
        clear_differences: voxels that are decided differently although the reference has a clear margin there.
    """

    share: float
    clear_differences: int

    @property
    def is_close(self) -> bool:
        """Whether the engine may take the reference's place."""
        return self.share >= LEAST_SHARE and self.clear_differences == 0

    def __str__(self) -> str:
        clear = f"{self.clear_differences} of the others by a margin above {CLEAR_MARGIN:g}"
        return f"{self.share:.3%} of the voxels decided as by torch in float32, {clear}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def compare(reference: Tensor, logits: Tensor, *, has_regions: bool) -> Agreement:
    """Compare logits (N, K, *patch) of the same tiles.

    Args:
        reference: of torch in float32.
        logits: of the engine.
        has_regions: whether each channel is decided by itself, above 0; else the largest one is the label.
    """
    expected, found = decisions(reference, has_regions), decisions(logits, has_regions)
    differs = expected != found
    if not torch.isfinite(logits).all():
        return Agreement(0.0, int(differs.sum()))
    per_channel = differs.transpose(0, 1).flatten(1).float().mean(dim=1)
    clear = margins(reference, has_regions) > CLEAR_MARGIN
    return Agreement(1 - float(per_channel.max()), int((differs & clear).sum()))


def decisions(logits: Tensor, has_regions: bool) -> Tensor:
    """Return bool (N, K, *patch) of regions, or labels (N, 1, *patch)."""
    return logits > 0 if has_regions else logits.argmax(dim=1, keepdim=True)


def margins(logits: Tensor, has_regions: bool) -> Tensor:
    """Return how far each decision is from another one, in logits: shaped as `decisions`, at least 0."""
    if has_regions:
        return logits.abs()
    first, second = logits.topk(2, dim=1).values.unbind(dim=1)
    return (first - second)[:, None]


def has_foreground(logits: Tensor, *, has_regions: bool) -> bool:
    """Return whether anything but background is decided on anywhere."""
    return bool(decisions(logits, has_regions).any())
