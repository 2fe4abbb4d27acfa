"""The tile of a case by which an engine is compared (L3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.inference.engines.agreement import foreground_voxels


class TellingTile:
    """Keeps, of the tiles that a network is given, the one with the most foreground by its own logits.

    Of little foreground, a few voxels at its surface are much.

    Args:
        has_regions: whether the network decides on regions, rather than on labels.

    Attributes:
        tile: float32 (1, C, *patch); None if all tiles were zero everywhere.
        logits: of the network, float32 (1, K, *patch).
    """

    def __init__(self, *, has_regions: bool) -> None:
        self.tile: Tensor | None = None
        self.logits: Tensor | None = None
        self._has_regions = has_regions
        self._most = -1

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
        voxels = foreground_voxels(logits, has_regions=self._has_regions)
        index = int(voxels.argmax())
        if tiles[index].any() and int(voxels[index]) > self._most:
            self._most = int(voxels[index])
            # copied: nnU-Net adds to the logits that it gets
            self.tile, self.logits = (found[index : index + 1].clone() for found in (tiles, logits))
