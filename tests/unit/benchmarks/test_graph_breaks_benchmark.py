"""benchmarks/graph_breaks: what docs/performance.md says of it, and that it would tell a break."""

import json

import pytest
import torch
from torch import nn

pytestmark = pytest.mark.slow


@pytest.fixture
def graph_breaks(benchmark):
    return benchmark("graph_breaks")


class Breaking(nn.Module):
    """A network that Python has to look into: two graphs."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        doubled = image * 2
        return doubled + 1 if doubled.sum().item() > 0 else doubled - 1


def test_a_break_is_told(graph_breaks):
    found = graph_breaks.explain(Breaking(), (torch.ones(2),))
    assert (found["graphs"], found["breaks"]) == (2, 1)
    assert len(found["reasons"]) == 1
    assert __file__ in found["reasons"][0]


def test_no_branch_has_a_break(graph_breaks, small_plan, run, tmp_path, monkeypatch):
    monkeypatch.setattr(graph_breaks, "BratsPlan", lambda patch: small_plan)
    report = tmp_path / "graphs.json"
    printed = run(graph_breaks, "--json", report)
    calls = json.loads(report.read_text())["calls"]
    assert len(calls) == len(printed.splitlines()) == 4
    for call in calls:
        assert (call["graphs"], call["breaks"], call["reasons"]) == (1, 0, []), call["call"]
