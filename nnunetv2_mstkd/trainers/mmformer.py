"""The trainer of mmFormer (L3)."""

from typing import Any, ClassVar

from nnunetv2_mstkd.architectures.multi_encoder.mmformer import MMFormerNetwork
from nnunetv2_mstkd.distillation.settings.fusion_transformer import FusionTransformerSettings
from nnunetv2_mstkd.trainers.fusion_transformer_trainer import FusionTransformerTrainer
from nnunetv2_mstkd.trainers.plan_networks import PlanNetworks


class nnUNetTrainerMMFormer(FusionTransformerTrainer):
    """Trains mmFormer on the plan's U-Net; see docs/reference/methods/mmformer.md."""

    default_settings: ClassVar[FusionTransformerSettings] = FusionTransformerSettings()

    @classmethod
    def build_multi_encoder(
        cls, build: PlanNetworks, num_modalities: int, num_outputs: int, patch_size: tuple[int, ...], settings: Any
    ) -> MMFormerNetwork:
        """Build the network."""
        return MMFormerNetwork(build, num_modalities, num_outputs, patch_size)
