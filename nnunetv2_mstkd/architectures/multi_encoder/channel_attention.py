"""Attention of channels to the channels of modalities, and a network of convolutions after it (L1)."""

from typing import Any

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.multi_encoder.masking import mask_features
from nnunetv2_mstkd.architectures.plan_blocks import kernel_and_padding, normalization

FEEDFORWARD_FACTOR = 4
NUM_BLOCKS = 2


class ChannelAttention(nn.Module):
    """Add to a feature what its channels find in the channels of the modalities that are there.

        attention = softmax over present channels(Q K^T / sqrt(L)),  feature <- feature + attention V

    with Q (C_Q rows) of the feature, K and V (M * C rows) of the modalities, each row a map of L voxels. After each
    block a feedforward network of convolutions transforms the feature, and between blocks another one the modalities.

    Args:
        encoder: of the plan's style: gives convolution and norm.
        kernel_size: of the depthwise convolutions.
        num_features: C_Q.
        num_modalities: M.
        modality_features: C.

    Source: M2FTrans (channel-wise masked cross-attention). Differs in: the plan's norm, kernels and widths; widths of
    feature and modalities need not be equal.
    """

    def __init__(
        self, encoder: Any, kernel_size: Any, num_features: int, num_modalities: int, modality_features: int
    ) -> None:
        super().__init__()
        of_modalities = num_modalities * modality_features
        shape = (encoder, kernel_size)
        self.crossings = nn.ModuleList(
            _Crossing(*shape, num_features, of_modalities, num_modalities) for _ in range(NUM_BLOCKS)
        )
        self.feedforwards = nn.ModuleList(_Feedforward(*shape, num_features, 1) for _ in range(NUM_BLOCKS))
        self.modality_feedforwards = nn.ModuleList(
            _Feedforward(*shape, of_modalities, num_modalities) for _ in range(NUM_BLOCKS - 1)
        )
        self.apply(InitWeights_He(1e-2))

    def forward(self, feature: Tensor, modalities: Tensor, modality_mask: Tensor) -> Tensor:
        """Return the feature (B, C_Q, *grid), with what it found.

        Args:
            feature: (B, C_Q, *grid).
            modalities: (B, M, C, *grid).
            modality_mask: bool (B, M).
        """
        present = modality_mask.repeat_interleave(modalities.shape[2], dim=1)[:, None]  # (B, 1, M * C)
        keys = mask_features(modalities, modality_mask).flatten(1, 2)
        between = [*self.modality_feedforwards, nn.Identity()]
        for crossing, feedforward, transform in zip(self.crossings, self.feedforwards, between, strict=True):
            feature = feedforward(feature + crossing(feature, keys, present))
            keys = transform(keys)
        return feature


class _Crossing(nn.Module):
    def __init__(self, encoder: Any, kernel_size: Any, num_features: int, of_modalities: int, groups: int) -> None:
        super().__init__()
        self.feature_norm, self.key_norm = normalization(encoder, num_features), normalization(encoder, of_modalities)
        self.query = _separable(encoder, kernel_size, num_features, num_features, 1)
        self.key = _separable(encoder, kernel_size, of_modalities, of_modalities, groups)
        self.value = _separable(encoder, kernel_size, of_modalities, of_modalities, groups)
        self.out = encoder.conv_op(num_features, num_features, 1)

    def forward(self, feature: Tensor, keys: Tensor, present: Tensor) -> Tensor:
        normed = self.key_norm(keys)
        query, key, value = (
            rows.flatten(2) for rows in (self.query(self.feature_norm(feature)), self.key(normed), self.value(normed))
        )  # (B, C_Q or M * C, L)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(1, 2)
        attention = torch.softmax(scores.masked_fill(~present, -torch.inf), dim=-1)
        found = attention.to(value.dtype) @ value
        attended: Tensor = self.out(found.unflatten(2, feature.shape[2:]))
        return attended


class _Feedforward(nn.Module):
    def __init__(self, encoder: Any, kernel_size: Any, num_features: int, groups: int) -> None:
        super().__init__()
        hidden = FEEDFORWARD_FACTOR * num_features
        self.norm = normalization(encoder, num_features)
        self.widen = encoder.conv_op(num_features, hidden, 1, groups=groups)
        self.depthwise = _depthwise(encoder, kernel_size, hidden)
        self.narrow = encoder.conv_op(hidden, num_features, 1, groups=groups)

    def forward(self, feature: Tensor) -> Tensor:
        hidden = functional.gelu(self.depthwise(self.widen(self.norm(feature))))
        return feature + self.narrow(hidden)


def _depthwise(encoder: Any, kernel_size: Any, num_features: int) -> nn.Module:
    kernel, padding = kernel_and_padding(encoder, kernel_size)
    depthwise: nn.Module = encoder.conv_op(num_features, num_features, kernel, padding=padding, groups=num_features)
    return depthwise


def _separable(encoder: Any, kernel_size: Any, num_inputs: int, num_outputs: int, groups: int) -> nn.Module:
    pointwise = encoder.conv_op(num_inputs, num_outputs, 1, groups=groups)
    return nn.Sequential(_depthwise(encoder, kernel_size, num_inputs), pointwise)
