"""A network with an encoder for each modality, and a model that is no more than engines ask for."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from masked_concatenation import MaskedConcatenation


@pytest.fixture
def multi_encoder(network_plan: Callable) -> tuple[Any, MaskedConcatenation]:
    """A plan, and its network with an encoder for each modality, whose answer to zeros is not zero."""
    plan = network_plan(num_stages=3)
    network = MaskedConcatenation(plan.builder(), plan.channels, plan.classes).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return plan, network


@pytest.fixture
def bare_model(tmp_path: Path) -> SimpleNamespace:
    """As much of a model of two folds as `ModelEngines` asks for."""
    for fold in (0, 1):
        (tmp_path / f"fold_{fold}").mkdir()
    return SimpleNamespace(
        folder=tmp_path,
        folds=(0, 1),
        checkpoint="checkpoint_final.pth",
        weights_sha256={0: "a", 1: "b"},
        configuration=SimpleNamespace(patch_size=(8, 8, 8)),
        network=torch.nn.Identity(),
    )
