"""Settings: what a user may write into the plans, and what is said where it is wrong."""

import json
from dataclasses import FrozenInstanceError, fields

import pytest

from nnunetv2_mstkd.distillation.settings import (
    PAPER_SCALE,
    DedicatedSettings,
    DistillationSettings,
    SubsetSettings,
    modalities_from_plans,
    passed_over_settings,
    plans_section,
    settings_from_plans,
)
from nnunetv2_mstkd.distillation.settings.plans_section import ALL_SETTINGS
from nnunetv2_mstkd.errors import ModalityError, SettingsError
from nnunetv2_mstkd.modalities import Modalities


def from_section(section, defaults=None):
    return settings_from_plans(defaults or DistillationSettings(), {"mstkd": section})


def test_plans_without_the_section_give_the_defaults():
    defaults = DistillationSettings(use_style_matching=False)
    assert settings_from_plans(defaults, {"plans_name": "nnUNetPlans"}) == defaults


def test_the_section_overrides_the_defaults_of_the_trainer():
    settings = from_section({"temperature": 3.0}, DistillationSettings(use_style_matching=False, temperature=5.0))
    assert settings == DistillationSettings(use_style_matching=False, temperature=3.0)


def test_settings_cannot_be_changed_later():
    with pytest.raises(FrozenInstanceError):
        DistillationSettings().seed = 3


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match=r"'temprature'.*Did you mean 'temperature'"):
        from_section({"temprature": 3.0})


def test_an_unknown_name_without_likeness_lists_the_known():
    with pytest.raises(SettingsError, match=r"'qqq'.*\. Known: \[.*'weight_logits'") as raised:
        from_section({"qqq": 1})
    assert "Did you mean" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1.5),
        ("seed", "1"),
        ("seed", True),
        ("seed", -1),
        ("drop_probabilities", 0.5),
        ("drop_probabilities", {"T1": 1.0}),
        ("drop_probabilities", {"T1": 0.995}),
        ("drop_probabilities", {"T1": True}),
        ("drop_probabilities", {"T1": "0.5"}),
        ("drop_probabilities", {"T1": -0.1}),
        ("warm_up_fraction", 1.0),
        ("incomplete_teacher_weight", 1.5),
        ("preset", "huge"),
        ("preset", 3),
        ("use_style_matching", 1),
        ("use_style_matching", "false"),
        ("weight_logits", -0.1),
        ("weight_logits", float("nan")),
        ("weight_logits", float("inf")),
        ("weight_logits", "1"),
        ("weight_logits", None),
        ("weight_logits", True),
        ("temperature", 0),
        ("ramp_fraction", 1.1),
        ("extreme_value_normalization", "columns"),
        ("standardize_dim", 0),
        ("standardize_dim", 2),
        ("optimizer", "LBFGS"),
        ("initial_lr", -1e-3),
        ("initial_lr", "fast"),
        ("initial_lr", True),
        ("weight_decay", float("inf")),
        ("cpu_precision", "half"),
        ("cpu_precision", True),
        ("teacher", "student"),
        ("teacher", None),
        ("teacher_ema_decay", 1.0),
        ("teacher_checkpoint", 3),
    ],
)
def test_a_wrong_value_is_refused_and_named(name, value):
    with pytest.raises(SettingsError, match=f"'{name}'"):
        from_section({name: value})


def test_another_optimiser_needs_a_learning_rate_of_its_own():
    with pytest.raises(SettingsError, match=r"'Adam'.*initial_lr"):
        from_section({"optimizer": "Adam"})
    with pytest.raises(SettingsError, match=r"'AdamWAMSGrad'.*initial_lr"):
        from_section({"optimizer": "AdamWAMSGrad"})
    assert from_section({"optimizer": "Adam", "initial_lr": 1e-4}).initial_lr == 1e-4


def test_a_frozen_teacher_needs_a_checkpoint():
    with pytest.raises(SettingsError, match=r"'frozen'.*'teacher_checkpoint'"):
        from_section({"teacher": "frozen"})


@pytest.mark.parametrize(
    ("teacher", "name", "value"),
    [
        ("network", "teacher_ema_decay", 0.9),
        ("network", "teacher_checkpoint", "file.pth"),
        ("shared", "teacher_ema_decay", 0.9),
        ("shared", "teacher_checkpoint", "file.pth"),
        ("shared", "shared_initialization", False),
        ("ema", "teacher_checkpoint", "file.pth"),
        ("ema", "shared_initialization", False),
        ("ema", "co_training", True),
        ("ema", "weight_teacher_segmentation", 0.5),
        ("frozen", "teacher_ema_decay", 0.9),
        ("frozen", "co_training", True),
        ("frozen", "weight_teacher_segmentation", 0.0),
    ],
)
def test_what_has_no_effect_on_a_kind_of_teacher_is_refused(teacher, name, value):
    checkpoint = {"teacher_checkpoint": "file.pth"} if teacher == "frozen" else {}
    with pytest.raises(SettingsError, match=f"'{name}'.*no effect with 'teacher' '{teacher}'"):
        from_section({"teacher": teacher, **checkpoint, name: value})


@pytest.mark.parametrize("teacher", ["shared", "ema"])
def test_a_trainers_own_default_that_has_no_effect_is_nobodys_mistake(teacher):
    own = DistillationSettings(teacher="network", shared_initialization=False)
    assert settings_from_plans(own, {"mstkd": {"teacher": teacher}}).teacher == teacher


@pytest.mark.parametrize("section", [None, [], "seed=1", 3])
def test_a_section_that_is_no_mapping_is_refused(section):
    with pytest.raises(SettingsError, match="must be a mapping"):
        from_section(section)


def test_integers_serve_as_floats():
    settings = from_section({"weight_logits": 2})
    assert type(settings.weight_logits) is float
    assert settings == DistillationSettings(weight_logits=2.0)


@pytest.mark.parametrize(
    "settings",
    [
        DistillationSettings(weight_logits=0.25, seed=4, preset="paper", co_training=True),
        DistillationSettings(optimizer="AdamW", initial_lr=3e-4),
        SubsetSettings(optimizer="AdamAMSGrad", initial_lr=2e-4, weight_decay=1e-4),
        DistillationSettings(teacher="network", cpu_precision="auto"),
        DistillationSettings(teacher="ema", teacher_ema_decay=0.99),
        DistillationSettings(teacher="frozen", teacher_checkpoint="~/fold_{fold}/checkpoint_final.pth"),
        DedicatedSettings(fixed_subset="T1,T2"),
        DedicatedSettings(),
        SubsetSettings(7),
    ],
)
def test_what_is_stored_with_a_model_gives_the_settings_back(settings):
    modalities = Modalities(("T1", "T2"))
    stored = json.loads(json.dumps({"mstkd": plans_section(settings, modalities)}))
    assert settings_from_plans(type(settings)(), stored) == settings
    assert modalities_from_plans(stored, 2) == modalities


def test_settings_of_another_trainer_are_passed_over_and_reported():
    plans = {"mstkd": {"seed": 2, "temperature": 3.0, "fixed_subset": "T1"}}
    settings = settings_from_plans(DedicatedSettings(), plans)
    assert settings == DedicatedSettings(seed=2, fixed_subset="T1")
    assert passed_over_settings(settings, plans) == ["temperature"]
    assert passed_over_settings(settings, {}) == []


def test_a_fixed_subset_must_be_text():
    with pytest.raises(SettingsError, match="fixed_subset"):
        DedicatedSettings(fixed_subset=["T1"])


def test_channels_without_names_are_called_by_number():
    assert modalities_from_plans({}, 3).names == ("channel_0000", "channel_0001", "channel_0002")


def test_weights_of_the_paper_are_converted_from_a_sum_of_dice_to_a_mean():
    # the paper: 0.6 * sum of 4 Dice terms + 1 L_KL + 2e-4 L_adv + ...; ours has weight 1 on the mean
    assert pytest.approx(2.4) == PAPER_SCALE
    settings = DistillationSettings()
    assert settings.weight_logits == pytest.approx(1 / 2.4)
    assert settings.weight_adversarial == pytest.approx(2e-4 / 2.4)


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_every_setting_is_documented(settings):
    documentation = "".join(str(c.__doc__) for c in settings.__mro__)
    assert not [f.name for f in fields(settings) if f"    {f.name}: " not in documentation]


def test_drop_probabilities_are_by_channel_with_a_half_where_none_is_named():
    modalities = Modalities(("T1", "T1ce", "T2", "FLAIR"))
    assert SubsetSettings().drop_probabilities_of(modalities) is None
    settings = SubsetSettings(drop_probabilities={"t2f": 0.9, "T1": 0})
    assert settings.drop_probabilities_of(modalities) == (0.0, 0.5, 0.5, 0.9)
    with pytest.raises(ModalityError, match="twice"):
        SubsetSettings(drop_probabilities={"t2f": 0.9, "FLAIR": 0.1}).drop_probabilities_of(modalities)


def test_drop_probabilities_name_channels_as_they_are():
    modalities = Modalities(("T1", "DWI (b=0,1000)"))
    assert SubsetSettings(drop_probabilities={"DWI (b=0,1000)": 0.9}).drop_probabilities_of(modalities) == (0.5, 0.9)


@pytest.mark.parametrize("drawing", [{"drop_probabilities": {"T1": 0.1}}, {"warm_up_fraction": 0.1}])
def test_what_is_drawn_has_no_place_beside_a_fixed_subset(drawing):
    with pytest.raises(SettingsError, match="nothing is drawn"):
        DedicatedSettings(fixed_subset="T1", **drawing)
