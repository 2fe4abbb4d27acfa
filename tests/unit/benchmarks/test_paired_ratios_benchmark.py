"""benchmarks/paired_ratios and benchmarks/saved_bytes, by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn


def test_ratios_are_within_a_pair(benchmark):
    paired = benchmark("paired_ratios")
    found = paired.spread(paired.ratios([6.0, 4.0, 9.0], [2.0, 4.0, 2.0]))  # 3, 1 and 4.5
    assert found == {"median": 3.0, "lowest": 1.0, "highest": 4.5}
    assert paired.spread_text(found) == "3.00 (1.00 to 4.50)"
    assert paired.spread_text({"median": 0.1, "lowest": -0.05, "highest": 0.2}, ".0%") == "10% (-5% to 20%)"


def test_a_pair_that_lacks_a_run_is_refused(benchmark):
    with pytest.raises(ValueError, match="longer"):
        benchmark("paired_ratios").ratios([1.0], [1.0, 2.0])


def test_saved_bytes_are_those_of_activations(benchmark):
    """Neither the network's weights count nor those of a module that the trainer holds elsewhere."""
    network, teacher = nn.Linear(3, 5, bias=False), nn.Linear(5, 5, bias=False)

    def train_step(batch):
        teacher(network(batch["data"])).square().sum().backward()

    trainer = SimpleNamespace(network=network, train_step=train_step, held={"teacher": [teacher]})
    # float32 of two samples: the input of 3, the teacher's of 5, and the 5 that are squared
    assert benchmark("saved_bytes").saved_bytes(trainer, {"data": torch.ones(2, 3)}) == 4 * 2 * (3 + 5 + 5)
