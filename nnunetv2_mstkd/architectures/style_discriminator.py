"""The discriminator that tells a full from a missing-modality style (L1; training only)."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

_LEAK = 0.2


class StyleDiscriminator(nn.Module):
    """Score a style feature: above 0 for "made from all modalities".

    Args:
        conv_op: nn.Conv2d or nn.Conv3d.
        features: channels of the style feature.

    Source: MST-KDNet, Section 2.3. Differs in: ends in global average pooling, so that any grid will do, and has no
    normalisation, which would erase the very statistics that make a style.
    """

    def __init__(self, conv_op: type[nn.Module], features: int) -> None:
        super().__init__()
        half, quarter = max(1, features // 2), max(1, features // 4)
        self.first = conv_op(features, half, 3, padding=1)
        self.second = conv_op(half, quarter, 3, padding=1)
        self.score = conv_op(quarter, 1, 1)
        layers: list[Any] = [self.first, self.second, self.score]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, a=_LEAK)
            nn.init.zeros_(layer.bias)

    def forward(self, style: Tensor) -> Tensor:
        """Return one logit per sample (B,) for style (B, C, *grid)."""
        hidden = functional.leaky_relu(self.first(style), _LEAK)
        hidden = functional.leaky_relu(self.second(hidden), _LEAK)
        return self.score(hidden).flatten(1).mean(dim=1)
