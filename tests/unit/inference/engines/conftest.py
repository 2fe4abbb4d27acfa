"""A network with an encoder for each modality."""

from collections.abc import Callable
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
