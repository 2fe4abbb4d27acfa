"""Tokens of single modalities: from a deepest feature, in one sequence, and back on the grid (L1)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.grid_resize import resize
from nnunetv2_mstkd.architectures.multiscale_transformer import patch_embedding_size


class TokenEmbedding(nn.Module):
    """Make tokens of one modality's deepest feature: one of each voxel, of blocks of voxels where these are too many.

    Args:
        conv_op: nn.Conv2d or nn.Conv3d, as in the plans.
        features: channels of the deepest stage of one modality's encoder.
        width: of a token.
        grid: spatial size of the deepest stage for the plan's patch; other grids interpolate the learned positions.
    """

    def __init__(self, conv_op: Any, features: int, width: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.patch = patch_embedding_size(grid)
        self.projection = conv_op(features, width, self.patch, self.patch).apply(InitWeights_He(1e-2))
        token_grid = [math.ceil(g / p) for g, p in zip(grid, self.patch, strict=True)]
        self.positions = nn.Parameter(torch.zeros(1, width, *token_grid))

    def forward(self, deepest: Tensor) -> Tensor:
        """Return the tokens (B, width, *token_grid) of a feature (B, C, *grid), positions added."""
        padding = [(0, -n % p) for n, p in zip(deepest.shape[2:], self.patch, strict=True)]
        if any(after for _, after in padding):
            deepest = functional.pad(deepest, [n for pair in reversed(padding) for n in pair])
        tokens = self.projection(deepest)
        return tokens + self.positions_on(tokens.shape[2:])

    def positions_on(self, token_grid: Sequence[int]) -> Tensor:
        """Return the learned positions (1, width, *token_grid)."""
        return resize(self.positions, token_grid)


def tokens_in_sequence(tokens: Tensor) -> Tensor:
    """Return (B, M * N, width), the N tokens of the first modality before those of the second, from a grid of each.

    Args:
        tokens: (B, M, width, *token_grid), of N places.
    """
    return tokens.flatten(3).transpose(2, 3).flatten(1, 2)


def tokens_on_grid(sequence: Tensor, num_modalities: int, token_grid: Sequence[int]) -> Tensor:
    """Return what `tokens_in_sequence` put in sequence: each token at its place and in its modality's channels.

    Args:
        sequence: (B, M * N, width).
        num_modalities: M.
        token_grid: of N places.

    Returns:
        (B, M, width, *token_grid).

    Source: mmFormer. Differs in: the released code views (B, M * N, width) as (B, *token_grid, M * width), which makes
    M tokens that follow each other in one modality the channels of one place.
    """
    B, _, width = sequence.shape
    by_modality = sequence.reshape(B, num_modalities, -1, width).transpose(2, 3)  # (B, M, width, N)
    return by_modality.reshape(B, num_modalities, width, *token_grid)
