"""Predict a preprocessed case given each of many subsets of its modalities (L3)."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nnunetv2_mstkd.distillation.subset_draw import mask_modalities
from nnunetv2_mstkd.inference.around_network import labels_of, require_finite
from nnunetv2_mstkd.inference.engines.engine_predictor import build_predictor
from nnunetv2_mstkd.inference.engines.names import AUTO
from nnunetv2_mstkd.inference.modality_encoders import has_modality_encoders
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.modalities import ModalitySubset

# A sample of so many voxels keeps any device busy: beyond it a batch is not faster, and needs more memory.
FULL_SAMPLE = 128**3
# Of the logits of one batch of subsets, which nnU-Net holds for the whole case, as float16.
MAX_LOGITS_BYTES = 2**28


class EverySubset(nn.Module):
    """A network that sees an image under each of N masks: images (1, M, *S) become logits (1, N * C, *S).

    So one run of nnU-Net's sliding window predicts N subsets: it takes their logits for further channels.

    Args:
        network: that takes (N, M, *S) and returns (N, C, *S).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.modality_mask = torch.empty(0, 0, dtype=torch.bool)  # (N, M), True = present

    def forward(self, image: Tensor) -> Tensor:
        """Predict."""
        repeated = image.expand(len(self.modality_mask), *image.shape[1:])
        return self.network(mask_modalities(repeated, self.modality_mask)).flatten(0, 1)[None]

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights of the network itself, as nnU-Net's predictor does for each fold."""
        # what torch.compile wraps has other names for the weights
        return getattr(self.network, "_orig_mod", self.network).load_state_dict(*args, **kwargs)


class SubsetPredictor:
    """A model that predicts a case under masks; absent channels are zero, as they are after `mstkd predict` prepared.

    A network with an encoder for each modality is told each subset, as by `mstkd predict`: one after another, since
    the encoders that run are others.

    Args:
        model: whose folds are averaged.
        device: where the network runs.
        engine: that runs it on a CPU.
        step_size: of the sliding window, in patches.
        mirroring: test-time augmentation.
        subsets_per_forward: that share a forward pass; 0: as many as pay off.
        warn: takes a line about the engine, if it cannot be used.
    """

    def __init__(
        self,
        model: Model,
        device: torch.device,
        *,
        engine: str = AUTO,
        step_size: float = 0.5,
        mirroring: bool = True,
        subsets_per_forward: int = 0,
        warn: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.model = model
        self._asked_per_forward = subsets_per_forward
        self._predictor = build_predictor(
            model, device, engine=engine, step_size=step_size, mirroring=mirroring, warn=warn
        )
        self._network = EverySubset(self._predictor.network)  # whose engine takes the masked images
        self._predictor.network = self._network
        # until memory runs out: no limit, unless each subset is a network of its own
        self._most_per_forward = 1 if has_modality_encoders(model.network) else 2 ** len(model.modalities)
        self._num_heads: int = model.labels.num_segmentation_heads

    @property
    def engine(self) -> str:
        """Name of what runs the network."""
        return self._predictor.engine

    def chunks(self, subsets: Sequence[ModalitySubset], shape: Sequence[int]) -> Iterator[tuple[ModalitySubset, ...]]:
        """Yield the subsets in the portions that share a forward pass.

        Args:
            subsets: all that are wanted.
            shape: of the preprocessed case, *S.
        """
        logits_bytes = 2 * self._num_heads * math.prod(shape)
        size = self._asked_per_forward or automatic_chunk(self.model.configuration.patch_size, logits_bytes)
        size = min(size, self._most_per_forward)
        yield from (tuple(subsets[start : start + size]) for start in range(0, len(subsets), size))

    def predict_logits(self, image: Tensor, subsets: Sequence[ModalitySubset]) -> Tensor:
        """Return the logits (N, C, *S) of a preprocessed case (M, *S) for N subsets; not thread-safe.

        Where memory runs out, fewer subsets share a forward pass, for the cases that follow, too.

        Raises:
            PredictionError: if a logit is NaN or infinite.
        """
        found: list[Tensor] = []
        done = 0
        while done < len(subsets):
            portion = subsets[done : done + self._most_per_forward]
            logits = self._attempt(image, portion)
            if logits is None:
                self._most_per_forward = len(portion) // 2
                continue
            found.append(logits)
            done += len(portion)
        return found[0] if len(found) == 1 else torch.cat(found)

    def _attempt(self, image: Tensor, subsets: Sequence[ModalitySubset]) -> Tensor | None:
        """Return the logits; None if there is too little memory for more than one subset at a time."""
        try:
            return self._forward(image, subsets)
        except Exception as error:
            if len(subsets) == 1 or not is_out_of_memory(error):
                raise
        # the error, and the tensors in its frames, are gone here
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    def _forward(self, image: Tensor, subsets: Sequence[ModalitySubset]) -> Tensor:
        if len(subsets) == 1:
            self._predictor.see(subsets[0])
        self._network.modality_mask = torch.tensor([subset.present for subset in subsets])
        # its one use in the sliding window is the number of channels of the logits
        self._predictor.label_manager = SimpleNamespace(num_segmentation_heads=self._num_heads * len(subsets))
        if len(self.model.folds) == 1:  # its weights are in the network: nothing is to be loaded for each portion
            logits = self._predictor.predict_sliding_window_return_logits(image).cpu()
        else:
            logits = self._predictor.predict_logits_from_preprocessed_data(image)
        require_finite(logits)
        return logits.reshape(len(subsets), self._num_heads, *logits.shape[1:])

    def finish(self, logits: Tensor, properties: dict[str, Any]) -> NDArray[np.integer]:
        """Return the labels (z, y, x) of one subset's logits (C, *S), in the case's own geometry; thread-safe."""
        return labels_of(logits, self.model, properties)[0]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out, of the GPU or of the machine."""
    # PyTorch has a class of its own for CUDA alone
    told = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in told or "allocate memory" in told


def automatic_chunk(patch_size: Sequence[int], logits_bytes: int) -> int:
    """Return how many subsets share a forward pass.

    Args:
        patch_size: of the sliding window.
        logits_bytes: of a whole case and one subset.
    """
    return max(1, min(FULL_SAMPLE // math.prod(patch_size), MAX_LOGITS_BYTES // max(1, logits_bytes)))
