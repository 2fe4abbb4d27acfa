"""Decoders that rebuild the image of each modality from fused features (L1; training only)."""

from collections.abc import Sequence
from typing import Any

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder.multi_encoder_network import BuildPlanNetwork
from nnunetv2_mstkd.architectures.multi_encoder.narrow_width import narrow_width
from nnunetv2_mstkd.architectures.plan_parts import take_encoder_and_decoder


class ImageDecoders(nn.Module):
    """Rebuild the images of all modalities from the skips of the segmentation's decoder, one decoder for each.

    Args:
        build: makes the plan's U-Nets, without deep supervision.
        num_modalities: M.
        skip_features: channels of the skips, finest first.

    Raises:
        UnsupportedNetworkError: if the plan's network is no U-Net, or has fewer than two stages.

    Source: RA-HVED's released code (`shared_recon=False`). Differs in: the plan's decoder at `narrow_width`, to which
    1x1 convolutions bring the skips.
    """

    def __init__(self, build: BuildPlanNetwork, num_modalities: int, skip_features: Sequence[int]) -> None:
        super().__init__()
        self.decoders = nn.ModuleList(ImageDecoder(build, num_modalities, skip_features) for _ in range(num_modalities))

    def forward(
        self, learning_skips: list[Tensor], judging_skips: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Rebuild up to two sets of images in one pass (DDP), the second without a gradient.

        Args:
            learning_skips: (B, skip_features[s], *grid_s) each, finest first.
            judging_skips: likewise; those that nothing is learnt from here. None if nobody judges.

        Returns:
            The images of both, (B, M, *patch) each; None for those that were not asked for.
        """
        learning = torch.cat([decoder(learning_skips) for decoder in self.decoders], dim=1)
        if judging_skips is None:
            return learning, None
        with torch.no_grad():
            judging = torch.cat([decoder(judging_skips) for decoder in self.decoders], dim=1)
        return learning, judging


class ImageDecoder(nn.Module):
    """Rebuild the image of one modality (B, 1, *patch); arguments as for ImageDecoders."""

    def __init__(self, build: BuildPlanNetwork, num_modalities: int, skip_features: Sequence[int]) -> None:
        super().__init__()

        def width(features: int) -> int:
            return narrow_width(features, num_modalities)

        encoder, decoder = take_encoder_and_decoder(build(1, 1, width))
        del decoder.__dict__["encoder"]  # not registered, and not needed
        # under DDP each weight must be used: heads of coarser scales are not
        *coarser, head = decoder.seg_layers
        decoder.seg_layers = nn.ModuleList([*(nn.Identity() for _ in coarser), head])
        pairs = zip(skip_features, encoder.output_channels, strict=True)
        self.narrowings = nn.ModuleList(encoder.conv_op(features, narrow, 1) for features, narrow in pairs)
        self.narrowings.apply(InitWeights_He(1))
        self.decoder: Any = decoder

    def forward(self, skips: list[Tensor]) -> Tensor:
        """Rebuild the image from skips (B, skip_features[s], *grid_s), finest first."""
        image: Tensor = self.decoder([narrow(skip) for narrow, skip in zip(self.narrowings, skips, strict=True)])
        return image
