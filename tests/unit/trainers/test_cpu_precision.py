"""Networks in bfloat16 on a CPU: when, and what comes out."""

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.trainers import cpu_precision
from nnunetv2_mstkd.trainers.cpu_precision import InBfloat16, computes_in_bfloat16, cpu_autocast

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "hardware", "expected"),
    [
        ("float32", True, False),
        ("bfloat16", True, True),
        ("bfloat16", False, True),
        ("auto", True, True),
        ("auto", False, False),
    ],
)
def test_the_setting_and_the_hardware_decide(monkeypatch, precision, hardware, expected):
    monkeypatch.setattr(cpu_precision, "bfloat16_units", lambda: ("AMX",) if hardware else ())
    assert computes_in_bfloat16(CPU, precision) is expected
    assert computes_in_bfloat16(torch.device("cuda"), precision) is False
    with cpu_autocast(CPU, precision):
        assert torch.is_autocast_enabled("cpu") is expected
    with cpu_autocast(torch.device("cuda"), precision):
        assert not torch.is_autocast_enabled("cpu")


def test_the_network_computes_in_bfloat16_and_puts_out_float32():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 2, 3)

        def forward(self, image):
            logits = self.layer(image)
            seen.append(logits.dtype)
            return [logits, logits]

    seen = []
    network = Heads()
    wrapped = InBfloat16(network)
    logits = wrapped(torch.randn(1, 1, 5, 5))
    assert seen == [torch.bfloat16]
    assert [scale.dtype for scale in logits] == [torch.float32, torch.float32]
    assert [id(p) for p in wrapped.parameters()] == [id(p) for p in network.parameters()]
    assert InBfloat16(network.layer)(torch.randn(1, 1, 5, 5)).dtype is torch.float32
