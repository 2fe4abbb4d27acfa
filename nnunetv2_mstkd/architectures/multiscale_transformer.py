"""The transformer at the bottleneck and the features tapped from four of its depths (L1)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.grid_resize import resize
from nnunetv2_mstkd.architectures.transformer_block import TransformerBlock
from nnunetv2_mstkd.architectures.transformer_size import TransformerSize

NUM_TAPS = 4
MAX_TOKENS = 512  # attention maps grow with its square; nnU-Net's BraTS plan has 140


def patch_embedding_size(grid: Sequence[int], max_tokens: int = MAX_TOKENS) -> tuple[int, ...]:
    """Return the voxels of a feature grid that make one token: 1 per axis until the grid has too many.

    Example:
        >>> patch_embedding_size((4, 5, 7)), patch_embedding_size((32, 32))
        ((1, 1, 1), (2, 1))
    """
    size = [1] * len(grid)
    tokens = list(grid)
    while math.prod(tokens) > max_tokens:
        axis = tokens.index(max(tokens))
        size[axis] *= 2
        tokens[axis] = math.ceil(grid[axis] / size[axis])
    return tuple(size)


class MultiScaleTransformer(nn.Module):
    """Rebuild multi-scale features from a deepest feature map.

    The deepest feature becomes tokens, which a transformer processes. Its states after each quarter of the depth are
    brought to the grid and width of one encoder stage each: the last state to the deepest stage, the one before to
    the stage above, and so on as far as there are stages.

    Args:
        conv_op: nn.Conv2d or nn.Conv3d, as in the plans.
        stage_features: channels of the encoder's stages, finest first.
        grid: spatial size of the deepest stage for the plan's patch; other grids interpolate the learned positions.
        size: of the transformer.
        dropout: probability.

    Source: MST-KDNet, Section 2.2 (MS-TKD). Differs in: works on the plan's deepest stage; each tap is normalised,
    projected at the token grid (where that is cheap) and then interpolated, in place of a UNETR-like up-path that
    goes up and down again; see docs/explanation/method.md.
    """

    def __init__(
        self,
        conv_op: type[nn.Module],
        stage_features: Sequence[int],
        grid: Sequence[int],
        size: TransformerSize,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        deepest = len(stage_features) - 1
        self.width = size.width
        self.stage_features = tuple(stage_features)
        self.tap_every = size.depth // NUM_TAPS
        self.stages = tuple(deepest - j for j in range(NUM_TAPS) if deepest - j >= 0)  # of the taps, last tap first
        self.patch = patch_embedding_size(grid)
        token_grid = [math.ceil(g / p) for g, p in zip(grid, self.patch, strict=True)]
        self.embedding = conv_op(stage_features[-1], size.width, self.patch, self.patch)
        self.positions = nn.Parameter(torch.zeros(1, size.width, *token_grid))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TransformerBlock(size, dropout) for _ in range(size.depth))
        self.tap_norms = nn.ModuleList(nn.LayerNorm(size.width) for _ in self.stages)
        self.tap_projections = nn.ModuleList(conv_op(size.width, stage_features[s], 1) for s in self.stages)
        self.apply(_initialize)

    def forward(
        self, features: Sequence[Tensor], return_attention: bool = False
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Compute the tapped features.

        Args:
            features: the encoder's, finest first: (B, C_s, *grid_s). Only the deepest is read; the others lend their
                grids.
            return_attention: also compute the attention maps of the tapped blocks; otherwise attention runs fused.

        Returns:
            One feature per tap, in the order of `stages` and shaped as that stage's feature; one attention map
            (B, heads, N, N) per depth tap, shallow first, or none.
        """
        embedded = self._embed(features[-1])  # (B, width, *token_grid)
        token_grid = embedded.shape[2:]
        tokens = self.dropout(embedded.flatten(2).transpose(1, 2))  # (B, N, width)
        states, attention = [], []
        for depth, block in enumerate(self.blocks, start=1):
            is_tapped = depth % self.tap_every == 0
            tokens, weights = block(tokens, return_attention and is_tapped)
            if is_tapped:
                states.append(tokens)
            if weights is not None:
                attention.append(weights)
        tapped = tuple(
            resize(projection(norm(state).transpose(1, 2).unflatten(2, token_grid)), features[stage].shape[2:])
            for stage, state, norm, projection in zip(
                self.stages, reversed(states), self.tap_norms, self.tap_projections, strict=False
            )
        )
        return tapped, tuple(attention)

    def _embed(self, deepest: Tensor) -> Tensor:
        padding = [(0, -n % p) for n, p in zip(deepest.shape[2:], self.patch, strict=True)]
        if any(after for _, after in padding):
            deepest = functional.pad(deepest, [n for pair in reversed(padding) for n in pair])
        embedded = self.embedding(deepest)
        return embedded + resize(self.positions, embedded.shape[2:])

    def num_activations(self, grids: Sequence[Sequence[int]]) -> int:
        """Return how many numbers the layers put out for these stage grids, one sample; taps at their stages."""
        tokens = math.prod(math.ceil(g / p) for g, p in zip(grids[-1], self.patch, strict=True))
        per_block = sum(layer.out_features for layer in self.blocks[0].modules() if isinstance(layer, nn.Linear))
        taps = sum(self.stage_features[stage] * math.prod(grids[stage]) for stage in self.stages)
        return tokens * (self.width + per_block * len(self.blocks)) + taps


def _initialize(module: nn.Module) -> None:
    # Xavier lets attention differ a little from uniform (with ViT's 0.02 it stays uniform for hundreds of SGD
    # steps). Small embeddings and taps let the U-Net start close to the plan's own.
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.trunc_normal_(module.weight, std=0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
