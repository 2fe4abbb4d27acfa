"""Settings in the plans, where they travel with each model (L2)."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from nnunetv2_mstkd.distillation.settings.dedicated import DedicatedSettings
from nnunetv2_mstkd.distillation.settings.distillation import NETWORK, DistillationSettings
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

# of settings whose default is no longer what was done before they existed
_BEFORE_IT_EXISTED = {"teacher": NETWORK}

SettingsT = TypeVar("SettingsT", bound=SubsetSettings)


def settings_from_plans(defaults: SettingsT, plans: Mapping[str, Any]) -> SettingsT:
    """Return a trainer's settings: its defaults, overridden by the plans' section "mstkd" where there is one.

    Names that belong to another trainer of ours are passed over, so that one plans file can serve them all.

    Raises:
        SettingsError: if the section is no mapping, a name is unknown (the nearest is shown), a value is wrong, or one
            that differs from the trainer's default has no effect.
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
    settings = type(defaults)(**{**asdict(defaults), **given})
    _require_effect(settings, given, asdict(defaults))
    return settings


def _require_effect(settings: SubsetSettings, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse what somebody set for nothing; what a trainer has by default is nobody's wish."""
    for name, beside in settings.without_effect().items():
        if name in given and given[name] != defaults[name]:
            raise SettingsError(
                f"Setting {name!r} is {given[name]!r}, which has no effect with {beside}: leave it out, or give "
                f"{defaults[name]!r}"
            )


def passed_over_settings(settings: SubsetSettings, plans: Mapping[str, Any]) -> list[str]:
    """Return the names in the plans' section "mstkd" that are other trainers' settings."""
    return [name for name in plans.get(SECTION, {}) if name != CHANNEL_NAMES and not hasattr(settings, name)]


def plans_section(settings: SubsetSettings, modalities: Modalities) -> dict[str, Any]:
    """Return what is stored with a model as its plans' section "mstkd": all settings and the channel names."""
    return {**asdict(settings), CHANNEL_NAMES: list(modalities.names)}


def stored_settings(plans: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section "mstkd" of plans that were stored with a model, by this version or an earlier one.

    Args:
        plans: stored.
        defaults: of the model's trainer; taken for settings that the section does not know yet, unless something else
            was done before they existed.
    """
    earlier = {name: value for name, value in _BEFORE_IT_EXISTED.items() if name in defaults}
    return {**defaults, **earlier, **plans.get(SECTION, {})}


def modalities_from_plans(plans: Mapping[str, Any], num_channels: int) -> Modalities:
    """Return the modalities that a model was trained with; channel_0000, ... where the plans do not name them."""
    names = plans.get(SECTION, {}).get(CHANNEL_NAMES) or [f"channel_{i:04d}" for i in range(num_channels)]
    return Modalities(tuple(names))
