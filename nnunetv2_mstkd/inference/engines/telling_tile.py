"""The tile of a case by which an engine is compared (L3)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.inference.engines.agreement import Agreement, count_voxels, newly_told


class TellingTile:
    """Keeps, of the tiles that a network is given, the one that tells most, by its own logits.

    That is the one that tells of the most regions of which nothing was told; of several the one with the most
    foreground, of little of which a few voxels at its surface are much.

    Args:
        so_far: what earlier tiles told; a tile that adds nothing to it is not kept. None: there were none.
        has_regions: whether the network decides on regions, rather than on labels.

    Attributes:
        tile: float32 (1, C, *patch); None if there is none, or none that is not zero everywhere.
    """

    def __init__(self, so_far: Agreement | None, *, has_regions: bool) -> None:
        self.tile: Tensor | None = None
        self._so_far = so_far
        self._has_regions = has_regions
        self._most = (-1, -1.0) if so_far is None else (0, math.inf)

    @contextmanager
    def watching(self, network: nn.Module) -> Iterator[None]:
        """Look at what a network is given, and what it answers."""
        handle = network.register_forward_hook(self._look)
        try:
            yield
        finally:
            handle.remove()

    def _look(self, _network: nn.Module, given: tuple[Any, ...], logits: Tensor) -> None:
        (tiles,) = given
        voxels = count_voxels(logits, has_regions=self._has_regions)
        ranks = zip(newly_told(voxels, self._so_far).tolist(), voxels.sum(dim=1).tolist(), strict=True)
        for index, rank in enumerate(ranks):
            if rank > self._most and tiles[index].any():
                self._most = rank
                self.tile = tiles[index : index + 1].clone()  # a part of them would hold all tiles of the call
