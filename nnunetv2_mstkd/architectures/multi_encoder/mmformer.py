"""mmFormer: transformers within and across modalities at the bottleneck (L1)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.grid_resize import resize
from nnunetv2_mstkd.architectures.multi_encoder.fusion_transformer import (
    fusion_transformer_block,
    fusion_transformer_size,
)
from nnunetv2_mstkd.architectures.multi_encoder.masked_attention import mask_of_present_keys
from nnunetv2_mstkd.architectures.multi_encoder.masking import mask_features
from nnunetv2_mstkd.architectures.multi_encoder.modality_tokens import (
    TokenEmbedding,
    tokens_in_sequence,
    tokens_on_grid,
)
from nnunetv2_mstkd.architectures.multi_encoder.multi_encoder_network import BuildPlanNetwork, MultiEncoderNetwork
from nnunetv2_mstkd.architectures.multi_encoder.region_fusion import RegionFusion
from nnunetv2_mstkd.architectures.plan_parts import stage_grids
from nnunetv2_mstkd.architectures.transformer_size import TransformerSize


class MMFormerNetwork(MultiEncoderNetwork):
    """An encoder and a transformer for each modality, a transformer across those that are there, the plan's decoder.

    `encode` gives the encoder's stages and, after them, the tokens (B, width, *token_grid) that the modality's own
    transformer makes of the deepest one. Nothing is returned as `fused`.

    Args:
        build: makes the plan's U-Nets.
        num_modalities: M.
        num_outputs: channels of the logits.
        patch_size: voxels, as planned: sets the grid of the learned positions. Other sizes work.

    Source: mmFormer. Differs in: on the plan's U-Net; tokens as wide as the plan's deepest stage; absent tokens are not
    attended to (released: zeros with positions, attended to like any other) and are zero in the fusion afterwards;
    each token returns to its own place (released: see `tokens_on_grid`); one 1x1 convolution in place of two in a row
    after the transformer across modalities.
    """

    keeps_encoded = True  # the separate decoder reads it

    def __init__(
        self, build: BuildPlanNetwork, num_modalities: int, num_outputs: int, patch_size: Sequence[int]
    ) -> None:
        super().__init__(build, num_modalities, num_outputs)
        size = fusion_transformer_size(self.stage_features[-1])
        first: Any = self.encoders[0]
        grid = stage_grids(first, patch_size)[-1]
        self.within = nn.ModuleList(_WithinModality(encoder, grid, size) for encoder in self.encoders)
        self.across = fusion_transformer_block(size)
        *narrow, _ = self.encoder_features
        widths = [*narrow, size.width]  # of one modality: the deepest stage is what the transformer makes of it
        self.fusions = nn.ModuleList(
            RegionFusion(first, stage, num_modalities * width, features)
            for stage, (width, features) in enumerate(zip(widths, self.stage_features, strict=True))
        )

    def encode(self, channel: int, image: Tensor) -> list[Tensor]:
        """Return the stages of a modality's encoder and the tokens after them, from its image (B, 1, *patch)."""
        stages = list(self.encoders[channel](image))
        return [*stages, self.within[channel](stages[-1])]

    def fuse(self, encoded: list[Tensor], modality_mask: Tensor) -> tuple[list[Tensor], None]:
        """Fuse each stage's features, at the deepest stage those of the transformer across modalities."""
        *stages, deepest, tokens = encoded
        across = self._attend_across(mask_features(tokens, modality_mask), modality_mask)
        resized = resize(across.flatten(1, 2), deepest.shape[3:])
        at_deepest = resized.reshape(*across.shape[:3], *resized.shape[2:])
        skips = [
            fusion(features, modality_mask)
            for fusion, features in zip(self.fusions, [*stages, at_deepest], strict=True)
        ]
        return skips, None

    def _attend_across(self, tokens: Tensor, modality_mask: Tensor) -> Tensor:
        M, token_grid = tokens.shape[1], tokens.shape[3:]
        within: Any = self.within
        positions = torch.stack([one.embedding.positions_on(token_grid) for one in within], dim=1)
        present = mask_of_present_keys(modality_mask, token_grid.numel())
        sequence, _ = self.across(tokens_in_sequence(tokens + positions), attention_mask=present)
        return tokens_on_grid(sequence, M, token_grid)


class _WithinModality(nn.Module):
    """The transformer of one modality: a deepest feature (B, C, *grid) to tokens (B, width, *token_grid)."""

    def __init__(self, encoder: Any, grid: Sequence[int], size: TransformerSize) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(encoder.conv_op, encoder.output_channels[-1], size.width, grid)
        self.block = fusion_transformer_block(size)

    def forward(self, deepest: Tensor) -> Tensor:
        tokens = self.embedding(deepest)
        sequence, _ = self.block(tokens.flatten(2).transpose(1, 2))
        return sequence.transpose(1, 2).unflatten(2, tokens.shape[2:])
