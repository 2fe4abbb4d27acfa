"""nnUNetTrainerSMUNet (L3): wiring alone."""

from nnunetv2_mstkd.architectures.style_fusion import SMU_NET_STAGES
from nnunetv2_mstkd.distillation.settings import SMUNetSettings
from nnunetv2_mstkd.trainers.mstkd import nnUNetTrainerMSTKD


class nnUNetTrainerSMUNet(nnUNetTrainerMSTKD):
    """SMU-Net (Azad et al., MIDL 2022, arXiv 2203.01932): style matching U-Net.

    Both networks have MST-KD's bottleneck of style and content without the transformer; the style is of the encoder's
    last three stages. Differs in: one student for all subsets; with the setting `fixed_subset` the dedicated one of the
    paper. docs/reference/methods/smu-net.md has all of them.
    """

    default_settings = SMUNetSettings()
    style_stages = SMU_NET_STAGES
