"""What an engine is (L3)."""

from typing import Protocol

from torch import Tensor

from nnunetv2_mstkd.modalities import ModalitySubset


class Engine(Protocol):
    """Runs a network with the weights of one fold on the tiles of a sliding window."""

    @property
    def name(self) -> str:
        """Of `names.ENGINES`."""

    def see(self, subset: ModalitySubset) -> bool:
        """Return whether it can be told what the next tiles have; an engine that cannot has to be made anew."""

    def __call__(self, tiles: Tensor) -> Tensor:
        """Return the logits of tiles.

        Args:
            tiles: float32 (N, C, *patch), on the CPU.

        Returns:
            float32 (N, K, *patch), the caller's own to change.
        """
