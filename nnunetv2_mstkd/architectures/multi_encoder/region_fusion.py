"""Fusion of the modalities' features by convolutions over all of their channels (L1)."""

from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder.masking import masked_concatenation
from nnunetv2_mstkd.architectures.plan_blocks import plan_conv_block


class RegionFusion(nn.Module):
    """Fuse the features of one stage: 1x1, 3x3 and 1x1 convolutions over all modalities' channels, absent ones zero.

    Args:
        encoder: of one modality; gives the style of the blocks and the width between them.
        stage: gives kernel and inner width.
        num_inputs: channels of all modalities together.
        num_outputs: channels of the plan's stage.

    Source: RFNet, mmFormer and M2FTrans (without the region weights of RFNet). Differs in: the plan's kernels and
    block style (convolution, norm, non-linearity); the last convolution widens to what the plan's decoder takes.
    """

    def __init__(self, encoder: Any, stage: int, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        inner = encoder.output_channels[stage]
        self.blocks = nn.Sequential(
            plan_conv_block(encoder, num_inputs, inner, 1),
            plan_conv_block(encoder, inner, inner, encoder.kernel_sizes[stage]),
            plan_conv_block(encoder, inner, num_outputs, 1),
        )

    def forward(self, features: Tensor, modality_mask: Tensor) -> Tensor:
        """Return (B, num_outputs, *grid) of features (B, M, C, *grid) and a mask, bool (B, M)."""
        fused: Tensor = self.blocks(masked_concatenation(features, modality_mask))
        return fused
