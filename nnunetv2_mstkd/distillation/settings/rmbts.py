"""Settings of RMBTS (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings


@dataclass(frozen=True)
class RMBTSSettings(SubsetSettings):
    """Settings of nnUNetTrainerRMBTS. Weights are relative to the segmentation loss, which has weight 1.

    Args:
        weight_reconstruction: of the mean absolute difference of each modality's reconstruction and its image.
        weight_style_kl: of the KL divergence of the style parameters from a standard normal distribution.
    """

    weight_reconstruction: float = 0.1
    weight_style_kl: float = 0.1
