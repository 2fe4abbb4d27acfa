"""The fusion of RMBTS: what each modality has is weighted voxel by voxel before it is merged (L1)."""

from typing import Any

import torch
from dynamic_network_architectures.building_blocks.simple_conv_blocks import ConvDropoutNormReLU
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder.masking import mask_features
from nnunetv2_mstkd.architectures.plan_blocks import plan_conv_block


class GatedFusion(nn.Module):
    """Weight the features c_i of the modalities that are there, and merge them.

        u = [m_1 c_1, .., m_M c_M];   G = sigmoid(norm(conv(u)));   F = nonlin(norm(conv1([G_1 m_1 c_1, ..])))

    with m_i 1 where the modality is there, else 0. G has one map for each modality, so that the gate of an absent one
    multiplies zeros.

    Args:
        encoder: of the plan; gives the blocks' style.
        num_modalities: M.
        features: channels of each modality.
        merged_features: channels of the result.
        kernel_size: of the convolution that makes the gates.

    Source: RMBTS (MICCAI 2019), its released code. Differs in: kernel and block style are the plan's.
    """

    def __init__(
        self, encoder: Any, num_modalities: int, features: int, merged_features: int, kernel_size: Any
    ) -> None:
        super().__init__()
        channels, plain = num_modalities * features, (encoder.conv_bias, encoder.norm_op, encoder.norm_op_kwargs)
        gate = ConvDropoutNormReLU(encoder.conv_op, channels, num_modalities, kernel_size, 1, *plain)
        self.gate = gate.apply(InitWeights_He(1e-2))
        self.merge = plan_conv_block(encoder, channels, merged_features, 1)

    def forward(self, features: Tensor, modality_mask: Tensor) -> Tensor:
        """Return what is merged, (B, merged_features, *grid).

        Args:
            features: (B, M, features, *grid).
            modality_mask: bool (B, M).
        """
        there = mask_features(features, modality_mask)
        gates = torch.sigmoid(self.gate(there.flatten(1, 2)))  # (B, M, *grid)
        merged: Tensor = self.merge((gates.unsqueeze(2) * there).flatten(1, 2))
        return merged
