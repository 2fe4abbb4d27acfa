"""The smallest network with an encoder for each modality, and its trainer: all that a method has to say."""

from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder import BuildPlanNetwork, MultiEncoderFeatures, MultiEncoderNetwork
from nnunetv2_mstkd.architectures.multi_encoder.masking import masked_concatenation
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderBatch, MultiEncoderTrainer
from nnunetv2_mstkd.trainers.plan_networks import PlanNetworks


class MaskedConcatenation(MultiEncoderNetwork):
    """Each stage's features side by side, those of absent modalities zero, and a convolution to the decoder's width."""

    def __init__(self, build: BuildPlanNetwork, num_modalities: int, num_outputs: int) -> None:
        super().__init__(build, num_modalities, num_outputs)
        convolution = self.encoders[0].conv_op
        widths = zip(self.encoder_features, self.stage_features, strict=True)
        self.fusions = nn.ModuleList(convolution(num_modalities * narrow, wide, 1) for narrow, wide in widths)

    def fuse(self, encoded: list[Tensor], modality_mask: Tensor) -> tuple[list[Tensor], None]:
        """Return the decoder's skips; the loss needs nothing else."""
        stages = zip(self.fusions, encoded, strict=True)
        return [fusion(masked_concatenation(stage, modality_mask)) for fusion, stage in stages], None


class MaskedConcatenationTrainer(MultiEncoderTrainer):
    """Trains it by nnU-Net's loss alone."""

    @classmethod
    def build_multi_encoder(
        cls, build: PlanNetworks, num_modalities: int, num_outputs: int, patch_size: tuple[int, ...], settings: Any
    ) -> MaskedConcatenation:
        """Build the network."""
        return MaskedConcatenation(build, num_modalities, num_outputs)

    def loss_terms(self, batch: MultiEncoderBatch, features: MultiEncoderFeatures) -> dict[str, Tensor]:
        """Return nnU-Net's loss."""
        return {"segmentation": self.segmentation_loss(features.logits, batch.target)}
