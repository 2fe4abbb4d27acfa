"""Style and content of the bottleneck, and their fusion (L1)."""

from collections.abc import Sequence
from typing import Any

import torch
from dynamic_network_architectures.building_blocks.simple_conv_blocks import StackedConvBlocks
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn
from torch.nn import functional

_MAX_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


class StyleContentFusion(nn.Module):
    """Split the deepest feature into content and style and fuse them into the bottleneck of the decoder.

        content    = block(f'_D)
        style      = conv1([maxpool(f_{D-1}), f_D, f'_D])
        bottleneck = dropout(conv1([style, content]))

    with f_s the encoder's stage s, D the deepest, and f'_D what the transformer made of f_D.

    Args:
        encoder: of the plans; its stages D-1 and D give widths, stride, kernel and block style.
        dropout: probability, of whole channels of the bottleneck.

    Source: MST-KDNet, Section 2.3 (GSME). Differs in: at the plan's deepest stage; one block of the plan's own style.
    """

    def __init__(self, encoder: Any, dropout: float = 0.2) -> None:
        super().__init__()
        above, deepest = encoder.output_channels[-2:]
        self.stride = tuple(encoder.strides[-1])
        conv_op = encoder.conv_op
        self.content_block = StackedConvBlocks(
            1, conv_op, deepest, deepest, encoder.kernel_sizes[-1], 1, encoder.conv_bias,
            encoder.norm_op, encoder.norm_op_kwargs, encoder.dropout_op, encoder.dropout_op_kwargs,
            encoder.nonlin, encoder.nonlin_kwargs,
        )  # fmt: skip
        self.style_projection = conv_op(above + 2 * deepest, deepest, 1)
        self.fusion = conv_op(2 * deepest, deepest, 1)
        self.dropout = (nn.Dropout3d if conv_op is nn.Conv3d else nn.Dropout2d)(dropout)
        self.apply(InitWeights_He(1e-2))

    def forward(self, above: Tensor, deepest: Tensor, transformed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fuse.

        Args:
            above: f_{D-1} (B, C_{D-1}, *grid_{D-1}).
            deepest: f_D (B, C_D, *grid_D).
            transformed: f'_D (B, C_D, *grid_D).

        Returns:
            bottleneck, style, content: each (B, C_D, *grid_D).
        """
        # a strided convolution of the encoder rounds its output up, hence ceil_mode
        pooled = _MAX_POOL[len(self.stride)](above, self.stride, self.stride, ceil_mode=True)
        content = self.content_block(transformed)
        style = self.style_projection(torch.cat((pooled, deepest, transformed), dim=1))
        return self.dropout(self.fusion(torch.cat((style, content), dim=1))), style, content

    def num_activations(self, grid: Sequence[int]) -> int:
        """Return how many numbers the convolutions put out for this deepest grid, one sample."""
        style = int(self.style_projection.out_channels * torch.Size(grid).numel())
        return int(self.content_block.compute_conv_feature_map_size(grid)) + 2 * style
