"""M2FTrans: fusion tokens and channel attention that see the modalities that are there (L1)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.grid_resize import resize
from nnunetv2_mstkd.architectures.multi_encoder.channel_attention import ChannelAttention
from nnunetv2_mstkd.architectures.multi_encoder.decoder_walk import walk_decoder
from nnunetv2_mstkd.architectures.multi_encoder.fusion_transformer import (
    fusion_transformer_block,
    fusion_transformer_size,
)
from nnunetv2_mstkd.architectures.multi_encoder.masked_attention import mask_of_fusion_tokens
from nnunetv2_mstkd.architectures.multi_encoder.masking import mask_features
from nnunetv2_mstkd.architectures.multi_encoder.modality_tokens import (
    TokenEmbedding,
    tokens_in_sequence,
    tokens_on_grid,
)
from nnunetv2_mstkd.architectures.multi_encoder.multi_encoder_network import BuildPlanNetwork, MultiEncoderNetwork
from nnunetv2_mstkd.architectures.multi_encoder.region_fusion import RegionFusion
from nnunetv2_mstkd.architectures.plan_blocks import plan_conv_block
from nnunetv2_mstkd.architectures.plan_parts import stage_grids

DEPTH = 3


class M2FTransNetwork(MultiEncoderNetwork):
    """An encoder for each modality, a transformer with fusion tokens, and a decoder with channel attention.

    As `fused` the spatial weights (B, M, *token_grid) are returned, zero for absent modalities.

    Args:
        build: makes the plan's U-Nets.
        num_modalities: M.
        num_outputs: channels of the logits.
        patch_size: voxels, as planned: sets the grid of fusion tokens and learned positions. Other sizes work.

    Source: M2FTrans. Differs in: on the plan's U-Net, whose decoder stages follow the fusions; tokens as wide as the
    plan's deepest stage, 8 (released: 16) times this in the feedforward network; no learned positions beside the
    learned fusion tokens.
    """

    keeps_encoded = True  # the separate decoder reads it

    def __init__(
        self, build: BuildPlanNetwork, num_modalities: int, num_outputs: int, patch_size: Sequence[int]
    ) -> None:
        super().__init__(build, num_modalities, num_outputs)
        first: Any = self.encoders[0]
        size = fusion_transformer_size(self.stage_features[-1])
        grid = stage_grids(first, patch_size)[-1]
        self.embeddings = nn.ModuleList(
            TokenEmbedding(first.conv_op, self.encoder_features[-1], size.width, grid) for _ in self.encoders
        )
        position: Any = self.embeddings[0]
        self.fusion_tokens = nn.Parameter(torch.randn_like(position.positions))
        self.blocks = nn.ModuleList(fusion_transformer_block(size) for _ in range(DEPTH))
        *fine, above, deepest = zip(self.encoder_features, self.stage_features, strict=True)
        kernels = first.kernel_sizes
        self.deepest_attention = ChannelAttention(first, kernels[-1], size.width, num_modalities, size.width)
        self.deepest_projection = plan_conv_block(first, size.width, deepest[1], 1)
        self.above_attention = ChannelAttention(first, kernels[-2], above[1], num_modalities, above[0])
        self.fusions = nn.ModuleList(
            RegionFusion(first, stage, num_modalities * narrow, features)
            for stage, (narrow, features) in enumerate(fine)
        )

    def fuse(self, encoded: list[Tensor], modality_mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """Fuse all stages but the second deepest, whose fusion needs the decoder's feature.

        Returns:
            (skips, fused): skips[-2] is (B, M, C, *grid), the features of the modalities times their weights; the
            other skips are the decoder's. `fused` are the weights.
        """
        *stages, deepest = encoded
        tokens, weights = self._attend(mask_features(deepest, modality_mask), modality_mask)
        weighted = [features * _on_grid(weights.to(features.dtype), features.shape[3:]) for features in stages]
        fused = [fusion(stage, modality_mask) for fusion, stage in zip(self.fusions, weighted, strict=False)]
        of_modalities = tokens[:, :-1] * weights.to(tokens.dtype)[:, :, None]
        bottleneck = self.deepest_attention(tokens[:, -1], of_modalities, modality_mask)
        return [*fused, weighted[-1], self.deepest_projection(resize(bottleneck, deepest.shape[3:]))], weights

    def decode(self, skips: list[Tensor], encoded: list[Tensor], modality_mask: Tensor) -> Tensor | list[Tensor]:
        """Return the logits: as the plan's decoder, with channel attention at its first stage."""

        def join(step: int, feature: Tensor, skip: Tensor) -> Tensor:
            if step == 0:
                skip = self.above_attention(feature, skip, modality_mask)
            return torch.cat((feature, skip), dim=1)

        return walk_decoder(self.decoder, skips, join)

    def _attend(self, deepest: Tensor, modality_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens (B, M + 1, width, *token_grid), those of the fusion last, and the spatial weights."""
        of_modalities = [embed(deepest[:, channel]) for channel, embed in enumerate(self.embeddings)]
        token_grid = of_modalities[0].shape[2:]
        fusion = resize(self.fusion_tokens, token_grid).expand_as(of_modalities[0])
        tokens = torch.stack((*of_modalities, fusion.to(of_modalities[0].dtype)), dim=1)
        allowed = mask_of_fusion_tokens(modality_mask, token_grid.numel())
        first, *further = self.blocks
        sequence, attention = first(tokens_in_sequence(tokens), return_attention=True, attention_mask=allowed)
        for block in further:
            sequence, _ = block(sequence, attention_mask=allowed)
        return tokens_on_grid(sequence, tokens.shape[1], token_grid), _spatial_weights(attention, token_grid)


def _spatial_weights(attention: Tensor, token_grid: torch.Size) -> Tensor:
    """Return (B, M, *token_grid): what the fusion tokens pay to each token, summed over them and over heads."""
    N = token_grid.numel()
    paid = attention.detach()[:, :, -N:, :-N].sum(dim=(1, 2))  # (B, M * N)
    return paid.reshape(len(paid), -1, *token_grid)


def _on_grid(weights: Tensor, grid: Sequence[int]) -> Tensor:
    """Return weights (B, M, *token_grid) as (B, M, 1, *grid), each voxel that of its nearest token."""
    return functional.interpolate(weights, size=tuple(grid), mode="nearest")[:, :, None]
