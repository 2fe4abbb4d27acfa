"""Layers in the style of a plan's encoder (L1)."""

from typing import Any

from dynamic_network_architectures.building_blocks.helper import maybe_convert_scalar_to_list
from dynamic_network_architectures.building_blocks.simple_conv_blocks import ConvDropoutNormReLU
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import nn


def plan_conv_block(encoder: Any, num_inputs: int, num_outputs: int, kernel_size: Any) -> nn.Module:
    """Return a convolution with norm and non-linearity."""
    return ConvDropoutNormReLU(
        encoder.conv_op, num_inputs, num_outputs, kernel_size, 1, encoder.conv_bias,
        encoder.norm_op, encoder.norm_op_kwargs, encoder.dropout_op, encoder.dropout_op_kwargs,
        encoder.nonlin, encoder.nonlin_kwargs,
    ).apply(InitWeights_He(1e-2))  # fmt: skip


def in_plan_style(encoder: Any, convolution: Any) -> nn.Sequential:
    """Return any convolution with norm and non-linearity after it."""
    norm = [] if encoder.norm_op is None else [normalization(encoder, convolution.out_channels)]
    return nn.Sequential(convolution, *norm, nonlinearity(encoder))


def normalization(encoder: Any, features: int) -> nn.Module:
    """Return the norm of features; the identity where the plan has none."""
    found: nn.Module = nn.Identity()
    if encoder.norm_op is not None:
        found = encoder.norm_op(features, **(encoder.norm_op_kwargs or {}))
    return found


def nonlinearity(encoder: Any) -> nn.Module:
    """Return the non-linearity; the identity where the plan has none."""
    found: nn.Module = nn.Identity() if encoder.nonlin is None else encoder.nonlin(**(encoder.nonlin_kwargs or {}))
    return found


def kernel_and_padding(encoder: Any, size: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a planned kernel size, a number or one for each axis, and the padding that keeps the grid."""
    kernel = tuple(maybe_convert_scalar_to_list(encoder.conv_op, size))
    return kernel, tuple((n - 1) // 2 for n in kernel)
