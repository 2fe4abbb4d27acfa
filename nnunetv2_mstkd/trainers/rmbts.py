"""nnUNetTrainerRMBTS (L3): wiring; the mathematics is in architectures/ and losses/."""

from typing import Any, ClassVar

from torch import Tensor

from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderFeatures
from nnunetv2_mstkd.architectures.multi_encoder.rmbts import RMBTSNetwork
from nnunetv2_mstkd.architectures.multi_encoder.style_image_decoder import RebuiltImages, StyleReconstruction
from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION
from nnunetv2_mstkd.distillation.settings import RMBTSSettings
from nnunetv2_mstkd.losses import masked_reconstruction, style_kl
from nnunetv2_mstkd.trainers.multi_encoder_batch import MultiEncoderBatch
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderTrainer
from nnunetv2_mstkd.trainers.plan_networks import PlanNetworks


class nnUNetTrainerRMBTS(MultiEncoderTrainer):
    """Train RMBTS: gated fusion of the modalities' content, from which their images are rebuilt in their own style.

    Source: RMBTS (MICCAI 2019, arXiv 2002.09708), as released. Differs in: plans, recipe, segmentation loss and weight
    decay are nnU-Net's; each non-empty subset is drawn equally often; what a case lacks is not rebuilt.
    """

    default_settings: ClassVar[RMBTSSettings] = RMBTSSettings()
    settings: RMBTSSettings

    @classmethod
    def build_multi_encoder(
        cls, build: PlanNetworks, num_modalities: int, num_outputs: int, patch_size: tuple[int, ...], settings: Any
    ) -> RMBTSNetwork:
        """Build the network."""
        return RMBTSNetwork(build, num_modalities, num_outputs)

    def build_auxiliary(self, network: Any) -> StyleReconstruction | None:
        """Return the encoders of style and the decoders of images; None where both of their terms have weight 0."""
        if not any(self.term_weights().values()):
            return None
        return StyleReconstruction(network.encoders[0], len(self.modalities), network.stage_features[-1])

    def loss_terms(self, batch: MultiEncoderBatch, features: MultiEncoderFeatures) -> dict[str, Tensor]:
        """Return the loss terms by name, not yet weighted."""
        terms = {SEGMENTATION: self.segmentation_loss(features.logits, batch.target)}
        if self.auxiliary is not None:
            rebuilt: RebuiltImages = self.auxiliary(batch.image, features.fused)
            # all that a case has, also what was dropped from what the network saw
            terms["reconstruction"] = masked_reconstruction(rebuilt.images, batch.image, batch.available, power=1)
            terms["style_kl"] = style_kl(rebuilt.means, rebuilt.log_variances, batch.available)
        return terms

    def term_weights(self) -> dict[str, float]:
        """Return the weights of the settings, which are of each modality; the terms are means over the modalities."""
        count = len(self.modalities)
        return {
            "reconstruction": count * self.settings.weight_reconstruction,
            "style_kl": count * self.settings.weight_style_kl,
        }
