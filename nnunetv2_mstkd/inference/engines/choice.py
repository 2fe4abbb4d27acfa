"""Which engine to take on this machine (L3)."""

from dataclasses import dataclass

import torch

from nnunetv2_mstkd.errors import MissingExtraError, SettingsError
from nnunetv2_mstkd.inference.engines.hardware import bfloat16_units, has_openvino
from nnunetv2_mstkd.inference.engines.names import (
    AUTO,
    CHOICES,
    OF_BFLOAT16,
    OF_OPENVINO,
    OPENVINO_BFLOAT16,
    OPENVINO_FLOAT32,
    TORCH_BFLOAT16,
    TORCH_FLOAT32,
)


@dataclass(frozen=True)
class Choice:
    """An engine, and why.

    Args:
        name: of the engine.
        reason: a few words.
        is_asked_for: whether a user named it: it is taken as it is, and not compared with torch in float32.
        is_compared: whether it was, and decides alike.
    """

    name: str
    reason: str
    is_asked_for: bool = False
    is_compared: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether it is to predict without a further question."""
        return self.is_asked_for or self.is_compared or self.name == TORCH_FLOAT32


def choose_engine(asked: str, device: torch.device) -> Choice:
    """Return the engine for a device.

    Args:
        asked: of `names.CHOICES`; "auto" takes the fastest one that this CPU and what is installed allow.
        device: where prediction runs; engines other than torch are for the CPU.

    Raises:
        SettingsError: if there is no such engine, or it cannot run here.
        MissingExtraError: if it is not installed.
    """
    if asked not in CHOICES:
        raise SettingsError(f"There is no engine {asked!r}: take one of {', '.join(CHOICES)}")
    if device.type != "cpu":
        return _on_other_device(asked, device)
    if asked != AUTO:
        _require_runs(asked)
        return Choice(asked, "as asked for", is_asked_for=True)
    name = fastest_engine()
    return Choice(name, f"{_told_units()}, OpenVINO is {'' if has_openvino() else 'not '}installed")


def fastest_engine() -> str:
    """Return the name of the fastest engine that this CPU and what is installed allow."""
    if has_openvino():
        return OPENVINO_BFLOAT16 if bfloat16_units() else OPENVINO_FLOAT32
    return TORCH_BFLOAT16 if bfloat16_units() else TORCH_FLOAT32


def slower_engine(name: str) -> str:
    """Return the fastest one of those that are left where an engine is not good enough."""
    return OPENVINO_FLOAT32 if name == OPENVINO_BFLOAT16 else TORCH_FLOAT32


def runnable_engines() -> dict[str, str]:
    """Return every engine's name with what it lacks here, empty where it can run."""
    return {name: _lack(name) for name in CHOICES if name != AUTO}


def _on_other_device(asked: str, device: torch.device) -> Choice:
    if asked != AUTO:
        raise SettingsError(f"The engine {asked} is for the CPU, and the device is {device}: take cpu, or leave it out")
    # nnU-Net's own sliding window runs under autocast on CUDA alone
    return Choice("torch-float16" if device.type == "cuda" else TORCH_FLOAT32, f"the device is {device}", True)


def _require_runs(name: str) -> None:
    if name in OF_OPENVINO and not has_openvino():
        raise MissingExtraError(f"The engine {name} needs the package openvino", "openvino")
    if lack := _lack(name):
        raise SettingsError(f"The engine {name} cannot run here ({lack}): take {fastest_engine()}, or {AUTO}")


def _lack(name: str) -> str:
    if name in OF_OPENVINO and not has_openvino():
        return "openvino is not installed"
    if name in OF_BFLOAT16 and not bfloat16_units():
        return _told_units()
    return ""


def _told_units() -> str:
    return (
        f"this CPU computes in bfloat16 ({', '.join(units)})"
        if (units := bfloat16_units())
        else ("this CPU computes no bfloat16, it has neither AMX nor AVX-512 BF16")
    )
