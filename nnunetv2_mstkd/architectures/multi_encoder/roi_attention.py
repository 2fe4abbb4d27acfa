"""A decoder's skip that attends to the regions of interest (L1)."""

from collections.abc import Sequence
from typing import Any

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn
from torch.nn import functional

_KERNEL = 7
_EXPANSION = 4


class RegionAttentiveSkip(nn.Module):
    """Weight the decoder's feature and the skip by attention maps, and concatenate them.

        a_d = sigmoid(conv1(conv7(P(d)))),   a_e = sigmoid(conv1(conv7([P(d), P(e)])))
        out = [d (1 + a_d), e (1 + a_e)]

    with d the decoder's feature, e the skip, P the maximum and the mean over the channels, conv7 a convolution of each
    map by itself to four, and conv1 one of them all to a single map.

    Args:
        conv_op: nn.Conv2d or nn.Conv3d.
        grid: voxels of the stage as planned; kernels are no longer than it.

    Source: RA-HVED (ACCV 2022), the region-of-interest attentive skip. Differs in: kernel lengths are 7, or the
    largest odd number that the grid holds.
    """

    def __init__(self, conv_op: type[nn.Module], grid: Sequence[int]) -> None:
        super().__init__()
        kernel = tuple(_odd(min(_KERNEL, n)) for n in grid)
        self.attend_feature = AttentionMap(conv_op, 2, kernel)
        self.attend_skip = AttentionMap(conv_op, 4, kernel)
        self.apply(InitWeights_He(1))  # nothing rectifies between these convolutions

    def forward(self, feature: Tensor, skip: Tensor) -> Tensor:
        """Return (B, 2 C, *grid) from the upsampled feature and the skip, each (B, C, *grid)."""
        pooled = _pooled(feature)
        of_feature = self.attend_feature(pooled)
        of_skip = self.attend_skip(torch.cat((pooled, _pooled(skip)), dim=1))
        return torch.cat((feature * (1 + of_feature), skip * (1 + of_skip)), dim=1)


class AttentionMap(nn.Module):
    """A map between 0 and 1 from pooled maps: a long convolution of each to four, then one of them all to one.

    Nothing stands between the two, so that they are computed as one convolution of a sixteenth of the operations (four
    maps, kernel 7): grouped convolutions with few channels have no fast form on any hardware.

    Args:
        conv_op: nn.Conv2d or nn.Conv3d.
        maps: input channels.
        kernel: of the long convolution, odd lengths.
    """

    def __init__(self, conv_op: Any, maps: int, kernel: tuple[int, ...]) -> None:
        super().__init__()
        self.padding = tuple(k // 2 for k in kernel)
        self.widen = conv_op(maps, _EXPANSION * maps, kernel, padding=self.padding, groups=maps)
        self.merge = conv_op(_EXPANSION * maps, 1, 1)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return the map (B, 1, *grid) from (B, maps, *grid)."""
        merge = self.merge.weight.transpose(0, 1)  # (4 maps, 1, 1, ...)
        weight = (self.widen.weight * merge).unflatten(0, (-1, _EXPANSION)).sum(dim=1).transpose(0, 1)
        bias = self.merge.bias + merge.flatten() @ self.widen.bias
        convolve: Any = functional.conv3d if pooled.ndim == 5 else functional.conv2d
        attention: Tensor = convolve(pooled, weight, bias, padding=self.padding)
        return attention.sigmoid()


def _odd(length: int) -> int:
    return length - 1 + length % 2


def _pooled(feature: Tensor) -> Tensor:
    return torch.cat((feature.amax(dim=1, keepdim=True), feature.mean(dim=1, keepdim=True)), dim=1)  # (B, 2, *grid)
