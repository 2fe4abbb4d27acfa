"""RMBTS: content encoders of the modalities, fused by gates at each stage (L1)."""

from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder.gated_fusion import GatedFusion
from nnunetv2_mstkd.architectures.multi_encoder.multi_encoder_network import BuildPlanNetwork, MultiEncoderNetwork


class RMBTSNetwork(MultiEncoderNetwork):
    """An encoder of content for each modality, a gated fusion at each stage, and the plan's decoder.

    What only training needs, the encoders of style and the decoders of images, is `StyleReconstruction`.

    Args:
        build: makes the plan's U-Nets.
        num_modalities: M.
        num_outputs: channels of the logits.

    Raises:
        UnsupportedNetworkError: if the plan's network is no U-Net, or has fewer than two stages.

    Source: RMBTS (MICCAI 2019, arXiv 2002.09708) and its released code. Differs in: encoder, decoder, stages, widths
    and kernels are the plan's.
    """

    def __init__(self, build: BuildPlanNetwork, num_modalities: int, num_outputs: int) -> None:
        super().__init__(build, num_modalities, num_outputs)
        encoder: Any = self.encoders[0]
        stages = zip(self.encoder_features, self.stage_features, encoder.kernel_sizes, strict=True)
        self.fusions = nn.ModuleList(GatedFusion(encoder, num_modalities, *stage) for stage in stages)

    def fuse(self, encoded: list[Tensor], modality_mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """Fuse the modalities that are there; beside the skips, the deepest of them is what images are rebuilt from."""
        skips = [fusion(stage, modality_mask) for fusion, stage in zip(self.fusions, encoded, strict=True)]
        return skips, skips[-1]
