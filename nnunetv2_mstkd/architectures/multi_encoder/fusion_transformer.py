"""The transformer blocks of mmFormer and M2FTrans (L1)."""

import dataclasses

from torch import nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.transformer_block import TransformerBlock
from nnunetv2_mstkd.architectures.transformer_size import TransformerSize, transformer_size

FEEDFORWARD_FACTOR = 8  # mmFormer: 4096 / 512
DROPOUT = 0.1


def fusion_transformer_size(features: int) -> TransformerSize:
    """Return the size for a plan whose deepest stage has `features` channels; the depth is the caller's.

    The token width is that of the deepest stage of the plan's own encoder, rounded down to a multiple of 32.

    Example:
        >>> size = fusion_transformer_size(320)
        >>> size.width, size.heads, size.feedforward
        (320, 10, 2560)
    """
    size = transformer_size("plan", features)
    return dataclasses.replace(size, feedforward=FEEDFORWARD_FACTOR * size.width)


def fusion_transformer_block(size: TransformerSize) -> TransformerBlock:
    """Return a block with GELU, as both methods have it."""
    block = TransformerBlock(size, DROPOUT, functional.gelu)
    for module in block.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return block
