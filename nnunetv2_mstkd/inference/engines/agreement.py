"""Whether an engine decides as torch in float32 does (L3)."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

# Of each region, or label but background: this Dice with the reference at least, or so many voxels that differ at most.
LEAST_DICE = 0.998
MOST_VOXELS = 3
# In logits. Regions: as far as a probability of 0.27 or 0.73 is from 0.5. bfloat16 has eight significant bits, so that
# logits of trained networks move by some tenths: a voxel that changes sides from further away is no rounding.
CLEAR_MARGIN = 1.0


@dataclass(frozen=True)
class Agreement:
    """How an engine's decisions compare with the reference's.

    Args:
        dice: of the two, in the region, or label, that agrees least; 1 where both are empty.
        voxels: of that region, that are decided differently.
        clear_differences: voxels of all regions that are decided differently although the reference has a clear margin
            there, or whose logits are not finite.
    """

    dice: float
    voxels: int
    clear_differences: int

    @property
    def is_close(self) -> bool:
        """Whether the engine may take the reference's place."""
        return self.clear_differences == 0 and (self.dice >= LEAST_DICE or self.voxels <= MOST_VOXELS)

    def __str__(self) -> str:
        least = f"Dice {self.dice:.5f} with torch in float32 in the region that agrees least, {self.voxels} voxels"
        return f"{least} differ; by a margin above {CLEAR_MARGIN:g}: {self.clear_differences}"

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
    expected, found = masks(reference, has_regions), masks(logits, has_regions)
    is_clear = (expected != found) & (margins(reference, has_regions) > CLEAR_MARGIN)
    is_broken = ~torch.isfinite(logits).all(dim=1)
    clear_differences = int((is_clear.any(dim=1) | is_broken).sum())
    pairs = zip(expected.unbind(dim=1), found.unbind(dim=1), strict=True)
    regions = [Agreement(*_overlap(*pair), clear_differences) for pair in pairs]
    # a low Dice may be of few voxels: what is not close comes first
    return min(regions, key=lambda region: (region.is_close, region.dice))


def masks(logits: Tensor, has_regions: bool) -> Tensor:
    """Return bool (N, R, *patch) of what is decided on: R regions, or labels but background, which is the first."""
    if has_regions:
        return logits > 0
    labels = logits.argmax(dim=1)
    return torch.stack([labels == label for label in range(1, logits.shape[1])], dim=1)


def margins(logits: Tensor, has_regions: bool) -> Tensor:
    """Return how far each decision is from another one, in logits, at least 0.

    Of regions (N, R, *patch), of labels (N, 1, *patch).
    """
    if has_regions:
        return logits.abs()
    first, second = logits.topk(2, dim=1).values.unbind(dim=1)
    return (first - second)[:, None]


def foreground_voxels(logits: Tensor, *, has_regions: bool) -> Tensor:
    """Return int (N,): in how many voxels of each tile anything but background is decided on."""
    return masks(logits, has_regions).any(dim=1).flatten(1).sum(dim=1)


def _overlap(expected: Tensor, found: Tensor) -> tuple[float, int]:
    """Return the Dice of two masks, and in how many voxels they differ."""
    total = int(expected.sum() + found.sum())
    dice = 2 * int((expected & found).sum()) / total if total else 1.0
    return dice, int((expected != found).sum())
