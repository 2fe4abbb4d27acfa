"""Whether an engine decides as torch in float32 does (L3)."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

# Of each region, or label but background: this Dice with the reference at least, or so many voxels that differ at most.
LEAST_DICE = 0.998
MOST_VOXELS = 3
# Of a region in a tile. Of fewer, the voxels that may differ are so many that a comparison tells nothing of the region.
TELLING_VOXELS = 100
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
        region_voxels: of each region, or label but background: the most that a compared tile had, by one or the other.
    """

    dice: float
    voxels: int
    clear_differences: int
    region_voxels: tuple[int, ...]

    @property
    def is_close(self) -> bool:
        """Whether the engine may take the reference's place."""
        return self.clear_differences == 0 and (self.dice >= LEAST_DICE or self.voxels <= MOST_VOXELS)

    @property
    def is_complete(self) -> bool:
        """Whether each region had enough voxels in a tile that was compared."""
        return self._num_told == len(self.region_voxels)

    @property
    def _num_told(self) -> int:
        return sum(voxels >= TELLING_VOXELS for voxels in self.region_voxels)

    def joined(self, other: "Agreement") -> "Agreement":
        """Return what this and another tile, of the same network and engine, tell together."""
        most = tuple(map(max, self.region_voxels, other.region_voxels))
        return replace(min(self, other, key=_worst_first), region_voxels=most)

    def __str__(self) -> str:
        least = f"Dice {self.dice:.5f} with torch in float32 in the region that agrees least, {self.voxels} voxels"
        found = f"{least} differ; by a margin above {CLEAR_MARGIN:g}: {self.clear_differences}"
        return found if self.is_complete else f"{found}; told of {self._num_told} of {len(self.region_voxels)} regions"

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
    most = torch.maximum(_counted(expected), _counted(found)).amax(dim=0).tolist()
    pairs = zip(expected.unbind(dim=1), found.unbind(dim=1), strict=True)
    regions = [Agreement(*_overlap(*pair), clear_differences, tuple(most)) for pair in pairs]
    return min(regions, key=_worst_first)


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


def count_voxels(logits: Tensor, *, has_regions: bool) -> Tensor:
    """Return int (N, R): how many voxels of each tile are of each region, or label but background."""
    return _counted(masks(logits, has_regions))


def newly_told(voxels: Tensor, so_far: Agreement | None) -> Tensor:
    """Return int (N,): of how many regions tiles would tell of which nothing was told.

    Args:
        voxels: (N, R), of each region in each tile.
        so_far: what was told; None: nothing.
    """
    is_told = voxels >= TELLING_VOXELS
    if so_far is not None:
        is_told &= torch.tensor(so_far.region_voxels) < TELLING_VOXELS
    return is_told.sum(dim=1)


def _worst_first(agreement: Agreement) -> tuple[bool, float]:
    return agreement.is_close, agreement.dice  # a low Dice may be of few voxels: what is not close comes first


def _counted(regions: Tensor) -> Tensor:
    return regions.flatten(2).sum(dim=2)


def _overlap(expected: Tensor, found: Tensor) -> tuple[float, int]:
    """Return the Dice of two masks, and in how many voxels they differ."""
    total = int(expected.sum() + found.sum())
    dice = 2 * int((expected & found).sum()) / total if total else 1.0
    return dice, int((expected != found).sum())
