"""Which engine to take on this machine (L3)."""

from dataclasses import dataclass

import torch

from nnunetv2_mstkd.errors import MissingExtraError, SettingsError
from nnunetv2_mstkd.inference.engines.agreement import Agreement
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
from nnunetv2_mstkd.modalities import ModalitySubset

_IN_TURN = (OPENVINO_BFLOAT16, OPENVINO_FLOAT32, TORCH_BFLOAT16, TORCH_FLOAT32)  # auto never goes back


@dataclass(frozen=True)
class Choice:
    """An engine, and why.

    Args:
        name: of the engine.
        why: it was to be tried, in a few words.
        is_asked_for: whether a user named it: it is taken as it is, and not compared with torch in float32.
        agreement: with torch in float32, as far as tiles told of it; None: it was not compared.
        subset: given which it was compared, where each has an engine of its own.
    """

    name: str
    why: str
    is_asked_for: bool = False
    agreement: Agreement | None = None
    subset: ModalitySubset | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it is to predict without a further question."""
        is_told = self.agreement is not None and self.agreement.is_complete
        return self.is_asked_for or is_told or self.name == TORCH_FLOAT32

    @property
    def reason(self) -> str:
        """Why it is in use, in a few words."""
        return self.why if self.agreement is None else f"{self.why}; {self.agreement}{given(self.subset)}"


def given(subset: ModalitySubset | None) -> str:
    """Return what a network was given, to end a sentence with; nothing where one engine is for all subsets."""
    return "" if subset is None else f", given {subset}"


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
    return next(name for name in _IN_TURN if not _lack(name))


def slower_engine(name: str) -> str:
    """Return the fastest one of those that are left where an engine decides otherwise than torch in float32."""
    return OPENVINO_FLOAT32 if name == OPENVINO_BFLOAT16 else TORCH_FLOAT32


def replacing_engine(name: str) -> str:
    """Return the fastest one of those that are left where an engine cannot be made, nor another one of its library."""
    return TORCH_BFLOAT16 if name in OF_OPENVINO and not _lack(TORCH_BFLOAT16) else TORCH_FLOAT32


def later_engines(name: str) -> tuple[str, ...]:
    """Return the names of the engines at which `auto` may end that tries one of a name."""
    return tuple(later for later in _IN_TURN[_IN_TURN.index(name) + 1 :] if not _lack(later))


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
