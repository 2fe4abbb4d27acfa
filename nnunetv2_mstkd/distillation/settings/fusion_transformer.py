"""Settings of mmFormer and M2FTrans, whose losses are the same (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings


@dataclass(frozen=True)
class FusionTransformerSettings(SubsetSettings):
    """Settings of nnUNetTrainerMMFormer and nnUNetTrainerM2FTrans.

    Weights are relative to the segmentation loss, which has weight 1.

    Args:
        weight_separate: of the segmentation loss of each modality by itself; at 0 its decoder is not built.
        weight_regional: of the segmentation loss of each coarser scale of the decoder.
    """

    weight_separate: float = 1.0
    weight_regional: float = 1.0
