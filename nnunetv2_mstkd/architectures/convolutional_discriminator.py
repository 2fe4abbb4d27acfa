"""Discriminators that are convolutions one after the other (L1; training only)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

_LEAK = 0.2


class ConvolutionalDiscriminator(nn.Module):
    """Score maps of any size: above 0 for "made from all modalities".

    Args:
        conv_op: nn.Conv2d or nn.Conv3d.
        widths: channels of the input, of the layers' outputs, and 1 at last.
        strides: of each layer.

    Source: the discriminators of ACN. Differs in: kernels of 3 that are padded by 1 at any stride, and global average
    pooling at the end, so that any plan's size will do.
    """

    def __init__(self, conv_op: type[nn.Module], widths: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        layers: list[Any] = [
            conv_op(before, after, 3, stride, padding=1)
            for (before, after), stride in zip(pairwise(widths), strides, strict=True)
        ]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, a=_LEAK)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def forward(self, image: Tensor) -> Tensor:
        """Return one logit per sample (B,) for an image or feature (B, C, *S)."""
        hidden: Any = image
        for index, layer in enumerate(self.layers):
            hidden = layer(functional.leaky_relu(hidden, _LEAK) if index else hidden)
        return hidden.flatten(1).mean(dim=1)
