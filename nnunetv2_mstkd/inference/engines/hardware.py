"""What this machine offers to the engines (L3). torch is asked: no other place knows how."""

import importlib.util
from importlib.metadata import PackageNotFoundError, version

import torch


def bfloat16_units() -> tuple[str, ...]:
    """Return what of this CPU computes in bfloat16: AMX, AVX-512 BF16, both or nothing."""
    asked = {"AMX": "_is_amx_tile_supported", "AVX-512 BF16": "_is_avx512_bf16_supported"}
    # private, and younger than the oldest torch that is let in: one without them does not know of such a unit
    return tuple(unit for unit, function in asked.items() if getattr(torch.cpu, function, lambda: False)())


def instruction_set() -> str:
    """Return what a compiled network and its rounding depend on, as one word for a key."""
    return "+".join((torch.backends.cpu.get_cpu_capability(), *bfloat16_units()))


def has_openvino() -> bool:
    """Return whether OpenVINO is installed; it is not imported."""
    try:
        version("openvino")  # Python finds a bare folder of that name, too
    except PackageNotFoundError:
        return False
    return importlib.util.find_spec("openvino") is not None
