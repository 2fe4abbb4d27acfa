"""What networks with an encoder for each modality have in common (L1)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder.narrow_width import narrow_width
from nnunetv2_mstkd.architectures.plan_parts import take_decoder, take_encoder_and_decoder
from nnunetv2_mstkd.errors import ShapeError

# (input channels, output channels, channels of a stage from the plan's own) -> a U-Net of the plan, initialised as
# nnU-Net does; deep supervision as the trainer asks for it
BuildPlanNetwork = Callable[[int, int, Callable[[int], int]], nn.Module]


class MultiEncoderFeatures(NamedTuple):
    """What a training step has of a forward pass.

    Attributes:
        logits: (B, C, *patch), or with deep supervision a list of such, full resolution first.
        encoded: what `encode` made of each modality, stacked: one (B, M, C, *grid) each, absent modalities as well;
            empty unless the network `keeps_encoded`.
        fused: what else the method's losses need; each network says what it is.
    """

    logits: Tensor | list[Tensor]
    encoded: list[Tensor]
    fused: Any


class MultiEncoderNetwork(nn.Module, ABC):
    """An encoder for each modality, a fusion of those that are there, and the plan's own decoder.

    Each encoder is the plan's with one input channel and `narrow_width`. Which modalities are there is told for whole
    images: by `modality_mask` in training, where each sample has a subset of its own, and by `present` in prediction,
    where the encoders of all others do not run. What an image holds is never asked.

    Samples are independent of each other but for batch normalisation, which no plan of nnU-Net's has: in training its
    statistics are over all images of a modality in a batch, those that a case lacks (zeros) and that a mask leaves out
    among them.

    Args:
        build: makes the plan's U-Nets.
        num_modalities: M.
        num_outputs: channels of the logits.

    Attributes:
        keeps_encoded: whether a loss reads what the encoders made; else it need not be kept for the step.
        present: channels that are there when no mask is given; all at first.

    Raises:
        UnsupportedNetworkError: if the plan's network is no U-Net, or has fewer than two stages.
    """

    keeps_encoded: ClassVar[bool] = False

    def __init__(self, build: BuildPlanNetwork, num_modalities: int, num_outputs: int) -> None:
        super().__init__()

        def width(features: int) -> int:
            return narrow_width(features, num_modalities)

        plan_encoder, _ = take_encoder_and_decoder(plan_network := build(num_modalities, num_outputs, int))
        self.stage_features = tuple(plan_encoder.output_channels)  # of what the decoder takes
        self.decoder: Any = take_decoder(plan_network)
        narrow = (take_encoder_and_decoder(build(1, num_outputs, width)) for _ in range(num_modalities))
        self.encoders = nn.ModuleList(encoder for encoder, _ in narrow)
        self.present = tuple(range(num_modalities))

    @property
    def encoder_features(self) -> tuple[int, ...]:
        """Channels of the stages of each modality's encoder, finest first."""
        first: Any = self.encoders[0]
        return tuple(first.output_channels)

    def forward(
        self, image: Tensor, modality_mask: Tensor | None = None, return_features: bool = False
    ) -> Tensor | list[Tensor] | MultiEncoderFeatures:
        """Segment.

        Args:
            image: (B, M, *patch).
            modality_mask: bool (B, M), True = present; all encoders run, and none of an absent modality has a gradient
                through the logits. Or (K * B, M), K subsets of each image, one after another for the whole batch: the
                encoders run once, and what comes after them has K * B samples. None: `present` holds for all samples,
                and no other encoder runs.
            return_features: return MultiEncoderFeatures rather than the logits alone.

        Raises:
            ShapeError: if the mask belongs to another batch, or to another number of modalities.
        """
        if modality_mask is None:
            encoded = self._encode_present(image)
            modality_mask = self._present_mask(image)
        else:
            _check_mask(modality_mask, len(image), len(self.encoders))
            encoded = self._encode_all(image)
        repeated = _repeated(encoded, len(modality_mask) // len(image))
        skips, fused = self.fuse(repeated, modality_mask)
        logits = self.decode(skips, repeated, modality_mask)
        if not return_features:
            return logits
        return MultiEncoderFeatures(logits, encoded if self.keeps_encoded else [], fused)

    def encode(self, channel: int, image: Tensor) -> Sequence[Tensor]:
        """Return what is known of one modality, from its image (B, 1, *patch): by default its encoder's stages."""
        return list(self.encoders[channel](image))

    @abstractmethod
    def fuse(self, encoded: list[Tensor], modality_mask: Tensor) -> tuple[list[Tensor], Any]:
        """Fuse what the modalities have that are there.

        Args:
            encoded: (B, M, C, *grid) each, as `encode` makes them; not masked, except that absent modalities are zero
                where their encoders did not run.
            modality_mask: bool (B, M).

        Returns:
            (skips, fused): the decoder's skips (B, stage_features[s], *grid_s), finest first; and what
            MultiEncoderFeatures has as `fused`.
        """

    def decode(self, skips: list[Tensor], encoded: list[Tensor], modality_mask: Tensor) -> Tensor | list[Tensor]:
        """Return the logits; by default the plan's decoder makes them of the skips alone."""
        logits: Tensor | list[Tensor] = self.decoder(skips)
        return logits

    def _encode_all(self, image: Tensor) -> list[Tensor]:
        each = [self.encode(channel, image[:, [channel]]) for channel in range(len(self.encoders))]
        return [torch.stack(stage, dim=1) for stage in zip(*each, strict=True)]

    def _encode_present(self, image: Tensor) -> list[Tensor]:
        found = {channel: self.encode(channel, image[:, [channel]]) for channel in self.present}
        nothing = [torch.zeros_like(stage) for stage in found[self.present[0]]]
        each = [found.get(channel, nothing) for channel in range(len(self.encoders))]
        return [torch.stack(stage, dim=1) for stage in zip(*each, strict=True)]

    def _present_mask(self, image: Tensor) -> Tensor:
        present = [channel in self.present for channel in range(len(self.encoders))]
        return torch.tensor(present, device=image.device).expand(len(image), -1)


def _check_mask(modality_mask: Tensor, batch_size: int, num_modalities: int) -> None:
    rows, *columns = modality_mask.shape
    if rows == 0 or rows % batch_size or columns != [num_modalities]:
        raise ShapeError(
            f"modality_mask has shape {tuple(modality_mask.shape)}, but {batch_size} images of {num_modalities} "
            f"modalities need (K * {batch_size}, {num_modalities})"
        )


def _repeated(encoded: list[Tensor], times: int) -> list[Tensor]:
    return encoded if times == 1 else [stage.repeat(times, *(1,) * (stage.ndim - 1)) for stage in encoded]
