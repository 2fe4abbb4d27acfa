"""Settings of RMBTS (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings


@dataclass(frozen=True)
class RMBTSSettings(SubsetSettings):
    """Settings of nnUNetTrainerRMBTS. Weights are relative to the segmentation loss, which has weight 1.

    Both are, as released, of each modality by itself: M modalities together have M times as much. With both 0 no image
    is rebuilt.

    Args:
        weight_reconstruction: of the mean absolute difference of a modality's rebuilt image and its image.
        weight_style_kl: of the KL divergence of a modality's style parameters from standard normal distributions,
            summed over the parameters.
    """

    weight_reconstruction: float = 0.1
    weight_style_kl: float = 0.1
