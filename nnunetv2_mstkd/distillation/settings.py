"""Settings of the trainers: frozen, validated, stored with each model in a section of its plans (L2)."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar

from nnunetv2_mstkd.architectures.transformer_size import TRANSFORMER_PRESETS
from nnunetv2_mstkd.errors import ModalityError, SettingsError
from nnunetv2_mstkd.modalities import Modalities

SECTION = "mstkd"  # key of the plans under which settings and channel names are kept
CHANNEL_NAMES = "channel_names"

# The paper weighs its terms against 0.6 times a sum of four soft Dice terms; nnU-Net's Dice is their mean, and here the
# student's segmentation loss has weight 1. Hence ours = paper / (0.6 * 4), where the gradient norms of real trainings
# leave room for it; docs/explanation/method.md has the figures of those that are calibrated instead.
PAPER_SCALE = 0.6 * 4

MAX_DROP_PROBABILITY = 0.99  # above it hardly any draw counts

OPTIMIZERS = ("SGD", "Adam", "AdamW")
CPU_PRECISIONS = ("float32", "bfloat16", "auto")

# kinds of teacher; those of TRAINED_TEACHERS have a segmentation loss of their own, the others no backward pass at all
NETWORK, SHARED, EMA, FROZEN = TEACHERS = ("network", "shared", "ema", "frozen")
TRAINED_TEACHERS = (NETWORK, SHARED)


@dataclass(frozen=True)
class SubsetSettings:
    """What every trainer of ours can be told.

    Args:
        seed: >= 0; governs initial weights, subset draws and dropout, not nnU-Net's own augmentation.
        optimizer: "SGD" (nnU-Net: Nesterov momentum 0.99), "Adam" or "AdamW"; of student and teacher.
        initial_lr: of the optimiser; None keeps the trainer's (nnU-Net: 1e-2, made for its SGD).
        weight_decay: of the optimiser; None keeps the trainer's (nnU-Net: 3e-5).
        drop_probabilities: modality -> how often, in [0, 0.99], a sample goes without it where it has it; those
            that are not named have 0.5. None draws each non-empty subset equally often, which is 0.5 for all.
        warm_up_fraction: in [0, 1); part of all iterations, at the start, in which nothing is dropped.
        cpu_precision: of the networks where training and its validation run on a CPU: "float32", "bfloat16" (autocast;
            losses and weights stay float32) or "auto", which is bfloat16 where the CPU computes in it. Of no effect on
            GPUs, where nnU-Net's autocast holds.

    Raises:
        SettingsError: (here and in the subclasses) if a value has a wrong type or is out of range.
    """

    seed: int = 0
    optimizer: str = "SGD"
    initial_lr: float | None = None
    weight_decay: float | None = None
    drop_probabilities: Mapping[str, float] | None = None
    warm_up_fraction: float = 0.0
    cpu_precision: str = "float32"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, float) and isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, field.name, value := float(value))  # JSON writes 1.0 as 1
            if field.default is not None and type(value) is not type(field.default):
                expected = type(field.default).__name__
                raise SettingsError(f"Setting {field.name!r} must be of type {expected}; given: {value!r}")
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise SettingsError(f"Setting {field.name!r} must be finite and not negative; given: {value!r}")
        if self.seed < 0:
            raise SettingsError(f"Setting 'seed' must not be negative; given: {self.seed}")
        _require_choice("optimizer", self.optimizer, OPTIMIZERS)
        _require_choice("cpu_precision", self.cpu_precision, CPU_PRECISIONS)
        self._check_optimizer()
        self._check_drawing()

    def _check_drawing(self) -> None:
        if self.warm_up_fraction >= 1:
            raise SettingsError(f"Setting 'warm_up_fraction' must be in [0, 1); given: {self.warm_up_fraction}")
        if self.drop_probabilities is None:
            return
        if not isinstance(self.drop_probabilities, Mapping):
            told = '{"T1ce": 0.6} or null'
            raise SettingsError(f"Setting 'drop_probabilities' must be like {told}; given: {self.drop_probabilities!r}")
        for name, value in self.drop_probabilities.items():
            if isinstance(value, bool) or not isinstance(value, float | int) or not 0 <= value <= MAX_DROP_PROBABILITY:
                limits = f"[0, {MAX_DROP_PROBABILITY}]"
                raise SettingsError(f"Setting 'drop_probabilities' of {name!r} must be in {limits}; given: {value!r}")

    def drop_probabilities_of(self, modalities: Modalities) -> tuple[float, ...] | None:
        """Return how often each channel is dropped; None where all subsets are equally likely.

        Raises:
            ModalityError: if a name is unknown, or fits the modality of another one.
        """
        if self.drop_probabilities is None:
            return None
        by_channel: dict[int, float] = {}
        for name, value in self.drop_probabilities.items():
            channel = modalities.channel(str(name))
            if channel in by_channel:
                raise ModalityError(f"Setting 'drop_probabilities' names {modalities.names[channel]!r} twice")
            by_channel[channel] = float(value)
        return tuple(by_channel.get(channel, 0.5) for channel in range(len(modalities)))

    def _check_optimizer(self) -> None:
        for name in ("initial_lr", "weight_decay"):
            value = getattr(self, name)
            is_number = isinstance(value, float | int) and not isinstance(value, bool)
            if value is not None and not (is_number and math.isfinite(value) and value >= 0):
                raise SettingsError(f"Setting {name!r} must be null or a number, not negative; given: {value!r}")
        if self.optimizer != "SGD" and self.initial_lr is None:
            raise SettingsError(f"Setting 'optimizer' is {self.optimizer!r}: give an 'initial_lr' too, such as 1e-4")


@dataclass(frozen=True)
class ModalityDropoutSettings(SubsetSettings):
    """Settings of the baseline nnUNetTrainerModalityDropout.

    Args:
        fixed_subset: names (or a 0/1 string) of the only modalities that the model ever sees, in training, validation
            and prediction: the dedicated nnU-Net of one subset, of cases that have all of it. None draws a subset for
            each sample.
    """

    fixed_subset: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fixed_subset is not None and not isinstance(self.fixed_subset, str):
            raise SettingsError(f"Setting 'fixed_subset' must be a text or null; given: {self.fixed_subset!r}")
        if self.fixed_subset is not None and (self.drop_probabilities is not None or self.warm_up_fraction):
            raise SettingsError(
                f"Setting 'fixed_subset' is {self.fixed_subset!r}: nothing is drawn then, so leave out "
                f"'drop_probabilities' and 'warm_up_fraction'"
            )


@dataclass(frozen=True)
class DistillationSettings(SubsetSettings):
    """Settings of nnUNetTrainerMSTKD. Weights are relative to the student's segmentation loss, which has weight 1.

    Args:
        teacher: "network", a second one that is trained beside the student; "shared", the student's own weights, which
            see the whole and the masked image and learn from both segmentation losses; "ema", the running mean of the
            student's weights, without a backward pass; "frozen", a model that was trained before.
        teacher_ema_decay: in [0, 1); how much of the running mean an iteration keeps; less in the first iterations.
        teacher_checkpoint: file of the frozen teacher. `~`, environment variables and `{fold}` are filled in.
        preset: size of the transformer, "plan" or "paper".
        use_multiscale_transformer: False is the ablation noMSTKD.
        use_style_matching: False is the ablation noGSME.
        use_logit_distillation: False is the ablation noSLKD.
        weight_teacher_segmentation: of the teacher's segmentation loss.
        weight_consistency: of L_mse, the squared difference of the probabilities.
        weight_logits: of L_KL, between standardised logits.
        weight_content: of the content features' squared difference: in the released code, not in the paper.
        weight_multiscale: of L_MST, the multi-scale features' squared difference.
        weight_extreme_value: of L_EVD, between re-weighted attention maps.
        weight_style_matching: of L_M1..3, between cross-Gram matrices.
        weight_adversarial: of L_adv for the student.
        relative_features: True measures the features of the content, multiscale and style matching terms in units of
            the teacher's root mean square, so that their weights do not depend on how large features happen to be;
            False compares them as they are, as released.
        extreme_value_normalization: "rows" or "tokens" (the published form, scaled by the token count).
        shared_initialization: True lets the second network start from the student's initial weights, so that channels
            of the same number mean the same when their features are compared; False draws its own, as released. Other
            kinds of teacher have no initial weights of their own.
        temperature: > 0, of L_KL.
        standardize_dim: axis along which L_KL standardises logits of labels: 1 is the class axis; -1, the last spatial
            axis, is the released form. Regions are standardised over voxels, whatever it is.
        reverse_kl: True swaps the arguments of L_KL, as released.
        co_training: True lets the distillation terms pull the teacher too, as released.
        incomplete_teacher_weight: in [0, 1]; factor of all distillation terms for samples of which the teacher itself
            lacks modalities. Samples that are complete have 1.
        ramp_fraction: in [0, 1]; part of all iterations over which the distillation weights rise from 0.7 % to 100 %.
        discriminator_lr: initial learning rate of the discriminator's Adam; decays as the branches' does.
    """

    teacher: str = NETWORK
    teacher_ema_decay: float = 0.999
    teacher_checkpoint: str | None = None
    preset: str = "plan"
    use_multiscale_transformer: bool = True
    use_style_matching: bool = True
    use_logit_distillation: bool = True
    weight_teacher_segmentation: float = 1.0
    weight_consistency: float = 2.0
    weight_logits: float = 1 / PAPER_SCALE
    weight_content: float = 0.0
    weight_multiscale: float = 0.02
    weight_extreme_value: float = 1.0
    weight_style_matching: float = 0.03
    weight_adversarial: float = 2e-4 / PAPER_SCALE
    relative_features: bool = True
    extreme_value_normalization: Literal["rows", "tokens"] = "rows"
    shared_initialization: bool = True
    temperature: float = 7.0
    standardize_dim: int = 1
    reverse_kl: bool = False
    co_training: bool = False
    incomplete_teacher_weight: float = 0.0
    ramp_fraction: float = 0.2
    discriminator_lr: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_choice("preset", self.preset, tuple(TRANSFORMER_PRESETS))
        _require_choice("extreme_value_normalization", self.extreme_value_normalization, ("rows", "tokens"))
        if self.standardize_dim not in (1, -1, -2, -3):
            raise SettingsError(
                f"Setting 'standardize_dim' must be 1 (classes) or a spatial axis counted from the end, -1 to -3; "
                f"given: {self.standardize_dim}"
            )
        if self.temperature == 0:
            raise SettingsError("Setting 'temperature' must be above 0; given: 0.0")
        for name in ("ramp_fraction", "incomplete_teacher_weight"):
            if getattr(self, name) > 1:
                raise SettingsError(f"Setting {name!r} must be in [0, 1]; given: {getattr(self, name)}")
        self._check_teacher()

    @property
    def trains_teacher(self) -> bool:
        """Whether the teacher has a segmentation loss and a backward pass."""
        return self.teacher in TRAINED_TEACHERS

    def _check_teacher(self) -> None:
        _require_choice("teacher", self.teacher, TEACHERS)
        if self.teacher_ema_decay >= 1:
            raise SettingsError(f"Setting 'teacher_ema_decay' must be in [0, 1); given: {self.teacher_ema_decay}")
        if self.teacher_checkpoint is not None and not isinstance(self.teacher_checkpoint, str):
            raise SettingsError(
                f"Setting 'teacher_checkpoint' must be a text or null; given: {self.teacher_checkpoint!r}"
            )
        if self.teacher == FROZEN and not self.teacher_checkpoint:
            raise SettingsError("Setting 'teacher' is 'frozen': give the file of its weights as 'teacher_checkpoint'")
        without_effect = {
            "teacher_ema_decay": self.teacher != EMA,
            "teacher_checkpoint": self.teacher != FROZEN,
            "weight_teacher_segmentation": not self.trains_teacher,
            "co_training": not self.trains_teacher,
        }
        defaults = {field.name: field.default for field in fields(self)}
        for name, has_none in without_effect.items():
            if has_none and getattr(self, name) != defaults[name]:
                raise SettingsError(
                    f"Setting {name!r} is {getattr(self, name)!r}, which has no effect with 'teacher' "
                    f"{self.teacher!r}: leave it out"
                )


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"Setting {name!r} must be one of {list(choices)}; given: {value!r}")


_ALL_SETTINGS = (ModalityDropoutSettings, DistillationSettings)
_KNOWN = {field.name for settings in _ALL_SETTINGS for field in fields(settings)}

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
