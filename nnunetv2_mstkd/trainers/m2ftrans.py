"""The trainer of M2FTrans (L3)."""

from typing import Any, ClassVar

from nnunetv2_mstkd.architectures.multi_encoder.m2ftrans import M2FTransNetwork
from nnunetv2_mstkd.distillation.settings.fusion_transformer import FusionTransformerSettings
from nnunetv2_mstkd.trainers.fusion_transformer_trainer import FusionTransformerTrainer
from nnunetv2_mstkd.trainers.plan_networks import PlanNetworks


class nnUNetTrainerM2FTrans(FusionTransformerTrainer):
    """Trains M2FTrans on the plan's U-Net; see docs/reference/methods/m2ftrans.md."""

    default_settings: ClassVar[FusionTransformerSettings] = FusionTransformerSettings()

    @classmethod
    def build_multi_encoder(
        cls, build: PlanNetworks, num_modalities: int, num_outputs: int, patch_size: tuple[int, ...], settings: Any
    ) -> M2FTransNetwork:
        """Build the network."""
        return M2FTransNetwork(build, num_modalities, num_outputs, patch_size)
