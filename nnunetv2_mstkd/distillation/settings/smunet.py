"""Settings of SMU-Net (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.distillation import NETWORK, DistillationSettings

# SMU-Net weighs its terms against 0.6 times a sum of three soft Dice terms; nnU-Net's Dice is their mean, and here the
# student's segmentation loss has weight 1. Hence ours = SMU-Net's / (0.6 * 3).
SMU_NET_SCALE = 1.8
# SMU-Net compares its content as it is, here it is measured in the teacher's root mean square. Content comes from a
# normalisation and a rectifier, half of whose unit variance is left.
CONTENT_MEAN_SQUARE = 0.5


@dataclass(frozen=True)
class SMUNetSettings(DistillationSettings):
    """Settings of nnUNetTrainerSMUNet: those of nnUNetTrainerMSTKD with other defaults.

    Args:
        teacher: as in DistillationSettings, like all that follow; SMU-Net trains two networks.
        use_multiscale_transformer: SMU-Net has none.
        weight_teacher_segmentation: 0.4 beside the student's 0.6.
        weight_consistency: 10 at the end of the ramp, of the sum of the channels' mean squared differences.
        weight_logits: SMU-Net has no such term.
        weight_content: 0.2, of the content as it is.
        weight_style_matching: SMU-Net matches the style alone, not pairs of features.
        weight_gram_style: the released value is numerically nothing; ours is that of the Gram matrices of MST-KD.
        weight_adversarial: 0.0002.
        ramp_fraction: 20 of 250 epochs. SMU-Net ramps the consistency alone; here all distillation terms are.
    """

    teacher: str = NETWORK
    use_multiscale_transformer: bool = False
    weight_teacher_segmentation: float = 0.4 / 0.6
    weight_consistency: float = 10 / SMU_NET_SCALE
    weight_logits: float = 0.0
    weight_content: float = 0.2 * CONTENT_MEAN_SQUARE / SMU_NET_SCALE
    weight_style_matching: float = 0.0
    weight_gram_style: float = 0.03
    weight_adversarial: float = 2e-4 / SMU_NET_SCALE
    ramp_fraction: float = 20 / 250
