"""Networks in bfloat16 where a training runs on a CPU (L3)."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.inference.engines.hardware import bfloat16_units


class InBfloat16(nn.Module):
    """A network whose forward pass runs under bfloat16 autocast and puts out float32 logits.

    So nnU-Net's own steps, which know no autocast on CPUs, have it where it pays: losses and metrics stay as they are.

    Args:
        network: returns logits or a list of them; its weights are this module's.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Segment an image (B, M, *patch)."""
        with torch.autocast("cpu", torch.bfloat16):
            logits: Any = self.network(image)
        return logits.float() if isinstance(logits, Tensor) else [scale.float() for scale in logits]


def cpu_autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return the autocast of a step on `device` in a precision of the setting `cpu_precision`: none on a GPU."""
    return torch.autocast("cpu", torch.bfloat16) if computes_in_bfloat16(device, precision) else nullcontext()


def computes_in_bfloat16(device: torch.device, precision: str) -> bool:
    """Return whether a training on `device` is to use bfloat16, by the setting `cpu_precision`."""
    return device.type == "cpu" and (precision == "bfloat16" or (precision == "auto" and bool(bfloat16_units())))
