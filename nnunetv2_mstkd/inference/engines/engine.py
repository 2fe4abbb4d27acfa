"""What an engine is (L3)."""

from typing import Protocol

from torch import Tensor


class Engine(Protocol):
    """Runs a network with the weights of one fold on the tiles of a sliding window."""

    @property
    def name(self) -> str:
        """Of `names.ENGINES`."""

    def __call__(self, tiles: Tensor) -> Tensor:
        """Return the logits of tiles.

        Args:
            tiles: float32 (N, C, *patch), on the CPU.

        Returns:
            float32 (N, K, *patch), the caller's own to change.
        """
