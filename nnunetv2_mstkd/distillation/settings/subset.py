"""Settings of every trainer of ours (L2)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from nnunetv2_mstkd.errors import ModalityError, SettingsError
from nnunetv2_mstkd.modalities import Modalities

MAX_DROP_PROBABILITY = 0.99  # above it hardly any draw counts

OPTIMIZERS = ("SGD", "Adam", "AdamW", "AdamAMSGrad", "AdamWAMSGrad")
CPU_PRECISIONS = ("float32", "bfloat16", "auto")


@dataclass(frozen=True)
class SubsetSettings:
    """What every trainer of ours can be told.

    Args:
        seed: >= 0; governs initial weights, subset draws and dropout, not nnU-Net's own augmentation.
        optimizer: "SGD" (nnU-Net: Nesterov momentum 0.99), "Adam" or "AdamW", or the latter two with AMSGrad,
            "AdamAMSGrad" and "AdamWAMSGrad"; of student and teacher.
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
        require_choice("optimizer", self.optimizer, OPTIMIZERS)
        require_choice("cpu_precision", self.cpu_precision, CPU_PRECISIONS)
        self._check_optimizer()
        self._check_drawing()

    def without_effect(self) -> dict[str, str]:
        """Return the settings that do nothing beside the others, each with what it has no effect with."""
        return {}

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


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Check a setting that is one of a few words.

    Raises:
        SettingsError: if it is none of them.
    """
    if value not in choices:
        raise SettingsError(f"Setting {name!r} must be one of {list(choices)}; given: {value!r}")
