"""Test-time mirroring of a tile in one call (L3)."""

from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from torch import Tensor


def mean_over_mirrored(run: Callable[[Tensor], Tensor], tile: Tensor, axes: Sequence[int]) -> Tensor:
    """Return the mean of the logits of a tile and all its mirror images, each mirrored back.

    Args:
        run: returns the logits (N, K, *patch) of tiles (N, C, *patch), the caller's own to change.
        tile: (1, C, *patch).
        axes: of the patch, that may be mirrored.

    Source: nnU-Net's `_internal_maybe_mirror_and_predict`, in whose order it adds. Differs in: the network is asked
    once, so that an engine can compute several of them side by side.
    """
    dims = [axis + 2 for axis in axes]
    mirrored = [chosen for count in range(len(dims) + 1) for chosen in combinations(dims, count)]
    logits = run(torch.cat([tile.flip(chosen) for chosen in mirrored]))
    mean = logits[:1]
    for index, chosen in enumerate(mirrored[1:], start=1):
        mean += logits[index : index + 1].flip(chosen)
    mean /= len(mirrored)
    return mean
