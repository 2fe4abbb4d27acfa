"""One decoder for the features of each modality by itself, in training only (L1)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder.multi_encoder_network import BuildPlanNetwork
from nnunetv2_mstkd.architectures.multi_encoder.narrow_width import narrow_width
from nnunetv2_mstkd.architectures.plan_parts import take_decoder


class SeparateDecoder(nn.Module):
    """Segment from single modalities: the plan's decoder at the width of one encoder, its weights shared by all.

    All modalities run as one batch. At `narrow_width` this costs about as much as the plan's own decoder.

    Args:
        build: makes the plan's U-Nets, without deep supervision.
        num_modalities: M.
        num_outputs: channels of the logits.

    Source: mmFormer and M2FTrans (the decoder that regularises the encoders). Differs in: the plan's decoder.
    """

    def __init__(self, build: BuildPlanNetwork, num_modalities: int, num_outputs: int) -> None:
        super().__init__()
        self.decoder: Any = take_decoder(build(1, num_outputs, lambda features: narrow_width(features, num_modalities)))
        # the heads of coarser scales are not used: under DDP each weight needs a gradient
        self.decoder.seg_layers = self.decoder.seg_layers[-1:]

    def forward(self, encoded: Sequence[Tensor]) -> Tensor:
        """Segment.

        Args:
            encoded: (B, M, C_s, *grid_s) of each stage, finest first; what comes after the stages is not read.

        Returns:
            Logits (B, M, C, *patch).
        """
        num_stages = len(self.decoder.stages) + 1
        B, M = encoded[0].shape[:2]
        logits: Tensor = self.decoder([stage.flatten(0, 1) for stage in encoded[:num_stages]])
        return logits.reshape(B, M, *logits.shape[1:])
