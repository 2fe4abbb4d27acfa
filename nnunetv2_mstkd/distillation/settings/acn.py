"""Settings of ACN (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.distillation import NETWORK, DistillationSettings

# ACN weighs its terms against 0.8 times a sum of three soft Dice terms; nnU-Net's Dice is their mean, and here the
# student's segmentation loss has weight 1. Hence ours = ACN's / (0.8 * 3).
ACN_SCALE = 2.4


@dataclass(frozen=True)
class ACNSettings(DistillationSettings):
    """Settings of nnUNetTrainerACN: those of nnUNetTrainerMSTKD with other defaults.

    Args:
        teacher: as in DistillationSettings, like all that follow; ACN trains two networks.
        use_multiscale_transformer: ACN has none.
        use_style_matching: ACN has no style.
        weight_teacher_segmentation: 0.2 beside the student's 0.8.
        weight_consistency: 10 at the end of the ramp, of the sum of the channels' mean squared differences.
        weight_logits: ACN has no such term.
        weight_mutual_information: 0.5.
        weight_entropy_adversarial: 0.001.
        weight_knowledge_adversarial: 0.0002.
        ramp_fraction: 20 of 300 epochs. ACN ramps the consistency alone; here all distillation terms are.
    """

    teacher: str = NETWORK
    use_multiscale_transformer: bool = False
    use_style_matching: bool = False
    weight_teacher_segmentation: float = 0.2 / 0.8
    weight_consistency: float = 10 / ACN_SCALE
    weight_logits: float = 0.0
    weight_mutual_information: float = 0.5 / ACN_SCALE
    weight_entropy_adversarial: float = 1e-3 / ACN_SCALE
    weight_knowledge_adversarial: float = 2e-4 / ACN_SCALE
    ramp_fraction: float = 20 / 300
