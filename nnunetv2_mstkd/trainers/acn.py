"""nnUNetTrainerACN (L3): wiring alone."""

from nnunetv2_mstkd.distillation.settings import ACNSettings
from nnunetv2_mstkd.trainers.mstkd import nnUNetTrainerMSTKD


class nnUNetTrainerACN(nnUNetTrainerMSTKD):
    """ACN (Wang et al., MICCAI 2021, arXiv 2106.14591): co-trained networks, two adversaries, knowledge transfer.

    Both networks are the plan's own. Differs in: one student for all subsets; with the setting `fixed_subset` the
    dedicated one of the paper. docs/reference/methods/acn.md has all of them.
    """

    default_settings = ACNSettings()
