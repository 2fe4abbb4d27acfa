"""A decoder's skip that attends to the regions of interest (L1)."""

from collections.abc import Sequence

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn

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
        self.attend_feature = _attention(conv_op, 2, kernel)
        self.attend_skip = _attention(conv_op, 4, kernel)
        self.apply(InitWeights_He(1))  # nothing rectifies between these convolutions

    def forward(self, feature: Tensor, skip: Tensor) -> Tensor:
        """Return (B, 2 C, *grid) from the upsampled feature and the skip, each (B, C, *grid)."""
        pooled = _pooled(feature)
        of_feature = self.attend_feature(pooled)
        of_skip = self.attend_skip(torch.cat((pooled, _pooled(skip)), dim=1))
        return torch.cat((feature * (1 + of_feature), skip * (1 + of_skip)), dim=1)


def _odd(length: int) -> int:
    return length - 1 + length % 2


def _attention(conv_op: type[nn.Module], maps: int, kernel: tuple[int, ...]) -> nn.Sequential:
    padding = tuple(k // 2 for k in kernel)
    wide = conv_op(maps, _EXPANSION * maps, kernel, padding=padding, groups=maps)
    return nn.Sequential(wide, conv_op(_EXPANSION * maps, 1, 1), nn.Sigmoid())


def _pooled(feature: Tensor) -> Tensor:
    return torch.cat((feature.amax(dim=1, keepdim=True), feature.mean(dim=1, keepdim=True)), dim=1)  # (B, 2, *grid)
