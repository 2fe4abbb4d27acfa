"""The ablations of nnUNetTrainerMSTKD and its paper preset: other defaults, nothing else (L3)."""

from nnunetv2_mstkd.distillation.settings import NETWORK, PAPER_SCALE, DistillationSettings
from nnunetv2_mstkd.trainers.mstkd import nnUNetTrainerMSTKD


class nnUNetTrainerMSTKD_noMSTKD(nnUNetTrainerMSTKD):
    """Ablation: no transformer, no taps, neither L_MST nor L_EVD."""

    default_settings = DistillationSettings(use_multiscale_transformer=False)


class nnUNetTrainerMSTKD_noGSME(nnUNetTrainerMSTKD):
    """Ablation: no style branch, fusion, style matching, discriminator or content term."""

    default_settings = DistillationSettings(use_style_matching=False)


class nnUNetTrainerMSTKD_noSLKD(nnUNetTrainerMSTKD):
    """Ablation: neither L_mse nor L_KL; the network is unchanged."""

    default_settings = DistillationSettings(use_logit_distillation=False)


class nnUNetTrainerMSTKDPaper(nnUNetTrainerMSTKD):
    """The paper's transformer (768 x 12, attention by tokens), optimiser and weights; features as they are.

    Two networks, as in the released code. The weights of consistency, style matching and teacher segmentation are ours.
    """

    default_settings = DistillationSettings(
        teacher=NETWORK,
        preset="paper",
        extreme_value_normalization="tokens",
        weight_extreme_value=0.482 / PAPER_SCALE,
        relative_features=False,
        shared_initialization=False,
        weight_multiscale=0.2 / PAPER_SCALE,
        weight_style_matching=0.1,  # the released value is numerically nothing
        optimizer="Adam",
        initial_lr=1e-4,
        weight_decay=1e-5,
    )
