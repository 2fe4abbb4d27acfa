"""Settings of RA-HVED (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings


@dataclass(frozen=True)
class RAHVEDSettings(SubsetSettings):
    """Settings of nnUNetTrainerRAHVED. Weights are relative to the segmentation loss, which has weight 1.

    Args:
        weight_full_segmentation: of the segmentation loss of the whole image, beside that of the subset (weight 1).
    """

    weight_full_segmentation: float = 1.0
