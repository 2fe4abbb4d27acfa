"""Style and content of the bottleneck, and their fusion (L1)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from dynamic_network_architectures.building_blocks.simple_conv_blocks import StackedConvBlocks
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn
from torch.nn import functional

_MAX_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}

# stages of the encoder, counted from its end, that the style is made of beside f'_D
MST_KD_STAGES = (-2, -1)
SMU_NET_STAGES = (-3, -2)
# The layer of each kind has a name of its own: where a plan's deepest stages are equally wide, so are both layers, and
# weights of one kind must not be taken for the other's.
STYLE_LAYERS: dict[tuple[int, ...], str] = {MST_KD_STAGES: "style_projection", SMU_NET_STAGES: "stage_projection"}


class StyleContentFusion(nn.Module):
    """Split the deepest feature into content and style and fuse them into the bottleneck of the decoder.

        content    = block(f'_D)
        style      = conv1([maxpool(f_{D-1}), f_D, f'_D])                 MST-KD
                     conv1([maxpool(f_{D-2}), maxpool(f_{D-1}), f'_D])    SMU-Net
        bottleneck = dropout(conv1([style, content]))

    with f_s the encoder's stage s, D the deepest, and f'_D what the transformer made of f_D; without one f'_D is f_D.
    So SMU-Net's style is of the last three stages. That of the ablation noMSTKD has f_D twice, as MST-KD's equation
    says: nothing but its transformer is left out.

    Args:
        encoder: of the plans; its last stages give widths, strides, kernel and block style.
        stages: MST_KD_STAGES or SMU_NET_STAGES; a plan of two stages has f_{D-1} alone of the latter.
        dropout: probability, of whole channels of the bottleneck.

    Source: MST-KDNet, Section 2.3 (GSME); SMU-Net's released code. Differs in: at the plan's deepest stage; one block
    of the plan's own style.
    """

    def __init__(self, encoder: Any, stages: tuple[int, ...] = MST_KD_STAGES, dropout: float = 0.2) -> None:
        super().__init__()
        widths, conv_op = encoder.output_channels, encoder.conv_op
        deepest = widths[-1]
        self.steps = {stage: _step_to_deepest(encoder, stage) for stage in stages if -stage <= len(widths)}
        self.content_block = StackedConvBlocks(
            1, conv_op, deepest, deepest, encoder.kernel_sizes[-1], 1, encoder.conv_bias,
            encoder.norm_op, encoder.norm_op_kwargs, encoder.dropout_op, encoder.dropout_op_kwargs,
            encoder.nonlin, encoder.nonlin_kwargs,
        )  # fmt: skip
        self._style_layer = STYLE_LAYERS[stages]
        self.add_module(self._style_layer, conv_op(sum(widths[stage] for stage in self.steps) + deepest, deepest, 1))
        self.fusion = conv_op(2 * deepest, deepest, 1)
        self.dropout = (nn.Dropout3d if conv_op is nn.Conv3d else nn.Dropout2d)(dropout)
        self.apply(InitWeights_He(1e-2))

    def forward(self, encoded: Sequence[Tensor], transformed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fuse.

        Args:
            encoded: f_s (B, C_s, *grid_s) of all stages, finest first.
            transformed: f'_D (B, C_D, *grid_D).

        Returns:
            bottleneck, style, content: each (B, C_D, *grid_D).
        """
        sources = [_pooled(encoded[stage], step) for stage, step in self.steps.items()]
        content = self.content_block(transformed)
        style = getattr(self, self._style_layer)(torch.cat((*sources, transformed), dim=1))
        return self.dropout(self.fusion(torch.cat((style, content), dim=1))), style, content

    def num_activations(self, grid: Sequence[int]) -> int:
        """Return how many numbers the convolutions put out for this deepest grid, one sample."""
        style = int(self.fusion.out_channels * torch.Size(grid).numel())
        return int(self.content_block.compute_conv_feature_map_size(grid)) + 2 * style


def _step_to_deepest(encoder: Any, stage: int) -> tuple[int, ...]:
    """Return how many voxels of a stage, counted from the end, one of the deepest has along each axis."""
    further = encoder.strides[len(encoder.strides) + stage + 1 :]
    return tuple(math.prod(axis) for axis in zip(*further, strict=True))


def _pooled(feature: Tensor, step: tuple[int, ...]) -> Tensor:
    """Return the maximum of each voxel of the deepest grid; a feature that lies on it already has no step."""
    if not step:
        return feature
    # a strided convolution of the encoder rounds its output up, hence ceil_mode
    pooled: Tensor = _MAX_POOL[len(step)](feature, step, step, ceil_mode=True)
    return pooled
