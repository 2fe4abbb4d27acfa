"""Settings in the plans, where they travel with each model (L2)."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from nnunetv2_mstkd.distillation.settings.dedicated import DedicatedSettings
from nnunetv2_mstkd.distillation.settings.distillation import DistillationSettings
from nnunetv2_mstkd.distillation.settings.fusion_transformer import FusionTransformerSettings
from nnunetv2_mstkd.distillation.settings.ra_hved import RAHVEDSettings
from nnunetv2_mstkd.distillation.settings.rmbts import RMBTSSettings
from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings
from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.modalities import Modalities

SECTION = "mstkd"  # key of the plans under which settings and channel names are kept
CHANNEL_NAMES = "channel_names"

ALL_SETTINGS = (
    DedicatedSettings,
    DistillationSettings,
    RAHVEDSettings,
    RMBTSSettings,
    FusionTransformerSettings,
)
_KNOWN = {field.name for settings in ALL_SETTINGS for field in fields(settings)}

SettingsT = TypeVar("SettingsT", bound=SubsetSettings)


def settings_from_plans(defaults: SettingsT, plans: Mapping[str, Any]) -> SettingsT:
    """Return a trainer's settings: its defaults, overridden by the plans' section "mstkd" where there is one.

    Names that belong to another trainer of ours are passed over, so that one plans file can serve them all.

    Raises:
        SettingsError: if the section is no mapping, a name is unknown (the nearest is shown) or a value is wrong.
    """
    section = plans.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise SettingsError(f"The plans' section {SECTION!r} must be a mapping of settings; given: {section!r}")
    own = {field.name for field in fields(defaults)}
    known = _KNOWN | own  # a user's trainer may bring settings of its own
    unknown = [name for name in section if name not in known and name != CHANNEL_NAMES]
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        where = f"in the plans' section {SECTION!r}"
        raise SettingsError(f"Unknown setting {unknown[0]!r} {where}.{hint} Known: {sorted(known)}")
    given = {name: value for name, value in section.items() if name in own}
    return type(defaults)(**{**asdict(defaults), **given})


def passed_over_settings(settings: SubsetSettings, plans: Mapping[str, Any]) -> list[str]:
    """Return the names in the plans' section "mstkd" that are other trainers' settings."""
    return [name for name in plans.get(SECTION, {}) if name != CHANNEL_NAMES and not hasattr(settings, name)]


def plans_section(settings: SubsetSettings, modalities: Modalities) -> dict[str, Any]:
    """Return what is stored with a model as its plans' section "mstkd": all settings and the channel names."""
    return {**asdict(settings), CHANNEL_NAMES: list(modalities.names)}


def modalities_from_plans(plans: Mapping[str, Any], num_channels: int) -> Modalities:
    """Return the modalities that a model was trained with; channel_0000, ... where the plans do not name them."""
    names = plans.get(SECTION, {}).get(CHANNEL_NAMES) or [f"channel_{i:04d}" for i in range(num_channels)]
    return Modalities(tuple(names))
