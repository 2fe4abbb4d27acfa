"""Settings of the trainers: frozen, validated, stored with each model in a section of its plans (L2)."""

from nnunetv2_mstkd.distillation.settings.acn import ACN_SCALE, ACNSettings
from nnunetv2_mstkd.distillation.settings.dedicated import DedicatedSettings
from nnunetv2_mstkd.distillation.settings.distillation import (
    EMA,
    FROZEN,
    NETWORK,
    PAPER_SCALE,
    SHARED,
    DistillationSettings,
)
from nnunetv2_mstkd.distillation.settings.fusion_transformer import FusionTransformerSettings
from nnunetv2_mstkd.distillation.settings.plans_section import (
    CHANNEL_NAMES,
    SECTION,
    modalities_from_plans,
    passed_over_settings,
    plans_section,
    settings_from_plans,
    stored_settings,
)
from nnunetv2_mstkd.distillation.settings.ra_hved import RAHVEDSettings
from nnunetv2_mstkd.distillation.settings.rmbts import RMBTSSettings
from nnunetv2_mstkd.distillation.settings.smunet import SMU_NET_SCALE, SMUNetSettings
from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings

__all__ = [
    "ACN_SCALE",
    "CHANNEL_NAMES",
    "EMA",
    "FROZEN",
    "NETWORK",
    "PAPER_SCALE",
    "SECTION",
    "SHARED",
    "SMU_NET_SCALE",
    "ACNSettings",
    "DedicatedSettings",
    "DistillationSettings",
    "FusionTransformerSettings",
    "RAHVEDSettings",
    "RMBTSSettings",
    "SMUNetSettings",
    "SubsetSettings",
    "modalities_from_plans",
    "passed_over_settings",
    "plans_section",
    "settings_from_plans",
    "stored_settings",
]
