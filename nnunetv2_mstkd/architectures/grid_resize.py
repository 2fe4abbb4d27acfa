"""Features brought to another grid (L1)."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

INTERPOLATION = {2: "bilinear", 3: "trilinear"}


def resize(features: Tensor, grid: Sequence[int]) -> Tensor:
    """Return features (B, C, *any) at the spatial size `grid`, interpolated linearly where theirs is another."""
    if tuple(features.shape[2:]) == tuple(grid):
        return features
    return functional.interpolate(features, size=tuple(grid), mode=INTERPOLATION[len(grid)], align_corners=False)
