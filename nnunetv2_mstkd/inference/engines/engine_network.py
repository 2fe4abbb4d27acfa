"""The module that stands in for the network in nnU-Net's predictor (L3)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.inference.engines.engine import Engine
from nnunetv2_mstkd.inference.modality_encoders import see_only
from nnunetv2_mstkd.modalities import ModalitySubset


class EngineNetwork(nn.Module):
    """Runs a network by an engine: (N, C, *patch) become logits (N, K, *patch).

    There is one engine at a time: what OpenVINO compiled holds its memory until it is let go.

    Args:
        network: with the weights of the first fold.
        weights: of all folds, the very objects that nnU-Net's predictor will load.
        name: of the engine.
        make: makes an engine of a name, the network, the index of the fold and (C, *patch).
    """

    def __init__(
        self,
        network: nn.Module,
        weights: Sequence[Mapping[str, Any]],
        name: str,
        make: Callable[[str, nn.Module, int, Sequence[int]], Engine],
    ) -> None:
        super().__init__()
        self.network = network
        self.engine_name = name
        self._weights = weights
        self._make = make
        self.fold = 0  # index of the one whose weights are here
        self._engine: Engine | None = None
        self._of_background: Tensor | None = None

    def use(self, name: str) -> None:
        """Take an engine from now on."""
        if name != self.engine_name:
            self.engine_name = name
            self.release()

    def release(self) -> None:
        """Let the engine go; the next tile has it made anew."""
        self._engine = self._of_background = None

    def see(self, subset: ModalitySubset) -> None:
        """Tell a network with an encoder for each modality what the next tiles have; it is another one from then on."""
        if see_only(self.network, subset):
            self._of_background = None
            if self._engine is not None and not self._engine.see(subset):
                self.release()

    @property
    def is_warm(self) -> bool:
        """Whether the engine is there."""
        return self._engine is not None

    def warm_up(self, tile_shape: Sequence[int]) -> Engine:
        """Return the engine for tiles (C, *patch), which is made unless it is there."""
        if self._engine is None:
            self._engine = self._make(self.engine_name, self.network, self.fold, tile_shape)
        return self._engine

    def load_state_dict(self, state_dict: Mapping[str, Any], *_args: Any, **_kwargs: Any) -> Any:
        """Take a fold's weights, as nnU-Net's predictor asks for before each case: nothing is done if they are here."""
        fold = next(index for index, own in enumerate(self._weights) if own is state_dict)
        if fold != self.fold:
            # what torch.compile wraps has other names for the weights
            getattr(self.network, "_orig_mod", self.network).load_state_dict(state_dict)
            self.fold = fold
            self.release()

    def forward(self, tiles: Tensor) -> Tensor:
        """Return the logits; those of tiles that are zero everywhere are computed once, mirrored or not."""
        if tiles.any():
            return self._run(tiles)
        if self._of_background is None:
            self._of_background = self._run(tiles[:1])
        return self._of_background.repeat(len(tiles), *[1] * (tiles.ndim - 1))  # nnU-Net adds to what it gets

    def _run(self, tiles: Tensor) -> Tensor:
        return self.warm_up(tiles.shape[1:])(tiles)
