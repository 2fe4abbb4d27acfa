"""What predicts the teacher's feature from the student's (L1; training only)."""

import math
from typing import Any

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn
from torch.nn import functional

INITIAL_VARIANCE = 5.0
_MIN_VARIANCE = 1e-5


class InformationRegressor(nn.Module):
    """Three convolutions of one voxel, and a variance for each channel of what they predict.

    Args:
        conv_op: nn.Conv2d or nn.Conv3d.
        features: channels of the feature.

    Source: ACN (arXiv 2106.14591), after variational information distillation: variance = softplus(s) + 1e-5, s such
    that it starts at 5. Differs in: as wide as the plan's deepest stage.
    """

    def __init__(self, conv_op: type[nn.Module], features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_op(features, features, 1), nn.LeakyReLU(1e-2),
            conv_op(features, features, 1), nn.LeakyReLU(1e-2),
            conv_op(features, features, 1),
        )  # fmt: skip
        self.layers.apply(InitWeights_He(1e-2))
        start = math.log(math.expm1(INITIAL_VARIANCE - _MIN_VARIANCE))  # softplus of it is the initial variance
        self.scale = nn.Parameter(torch.full((features,), start))

    def forward(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Predict.

        Args:
            encoded: (B, C, *grid), the student's.

        Returns:
            prediction: (B, C, *grid), of the teacher's.
            variance: (C,), > 0.
        """
        prediction: Any = self.layers(encoded)
        return prediction, functional.softplus(self.scale) + _MIN_VARIANCE
