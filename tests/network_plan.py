"""Small U-Nets of dynamic-network-architectures."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class NetworkPlan:
    """Arguments of a small U-Net of dynamic-network-architectures, and a patch that fits it."""

    axes: int = 3
    residual: bool = False
    num_stages: int = 4
    features: tuple[int, ...] | None = None
    last_stride: tuple[int, ...] | None = None
    patch: tuple[int, ...] | None = None
    channels: int = 4
    classes: int = 3

    @property
    def strides(self) -> list[tuple[int, ...]]:
        """Of each stage."""
        strides = [(1,) * self.axes, *[(2,) * self.axes] * (self.num_stages - 1)]
        return [*strides[:-1], self.last_stride] if self.last_stride else strides

    @property
    def patch_size(self) -> tuple[int, ...]:
        """`patch`, or the smallest whose deepest grid has two voxels an axis."""
        if self.patch:
            return self.patch
        return tuple(2 * int(np.prod([stride[axis] for stride in self.strides])) for axis in range(self.axes))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return self.features or tuple(min(16, 4 * 2**s) for s in range(self.num_stages))

    def builder(self, deep_supervision: bool = False) -> Callable[[int, int, Callable[[int], int]], torch.nn.Module]:
        """Return what makes U-Nets of the plan with other channels and widths, as a trainer does."""

        def build(num_inputs: int, num_outputs: int, width: Callable[[int], int]) -> torch.nn.Module:
            widths = tuple(width(features) for features in self.widths)
            return self.but(channels=num_inputs, classes=num_outputs, features=widths).build(deep_supervision)

        return build

    def build(self, deep_supervision: bool = False) -> torch.nn.Module:
        """Build the plain network."""
        from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet

        conv = torch.nn.Conv3d if self.axes == 3 else torch.nn.Conv2d
        norm = torch.nn.InstanceNorm3d if self.axes == 3 else torch.nn.InstanceNorm2d
        blocks = "n_blocks_per_stage" if self.residual else "n_conv_per_stage"
        network = (ResidualEncoderUNet if self.residual else PlainConvUNet)(
            input_channels=self.channels,
            n_stages=self.num_stages,
            features_per_stage=self.widths,
            conv_op=conv,
            kernel_sizes=[(3,) * self.axes] * self.num_stages,
            strides=self.strides,
            num_classes=self.classes,
            n_conv_per_stage_decoder=[2] * (self.num_stages - 1),
            conv_bias=True,
            norm_op=norm,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=torch.nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            deep_supervision=deep_supervision,
            **{blocks: [2] * self.num_stages},
        )
        network.apply(network.initialize)
        return network

    def image(self, batch: int = 2, device: str = "cpu") -> torch.Tensor:
        """A random image (B, M, *patch)."""
        return torch.randn(batch, self.channels, *self.patch_size, device=device)

    def but(self, **changes: Any) -> "NetworkPlan":
        """This plan with changes."""
        return replace(self, **changes)
