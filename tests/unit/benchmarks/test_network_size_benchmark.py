"""benchmarks/network_size: the numbers are those of the plan, and the README has them."""

import json

import pytest

FEATURES = (32, 64, 128, 256, 320, 320)
STRIDES = (1, 8, 8, 8, 8, 4)  # voxels of the coarser grid's one
KERNEL, CHANNELS, REGIONS = 27, 4, 3


def convolutions(channels: int, features: int) -> int:
    """Parameters of a stage: two convolutions with biases, and their norms' scales and shifts."""
    return (channels + features) * features * KERNEL + 2 * features * (1 + 2)


def plan_parameters() -> int:
    """Parameters of nnU-Net's U-Net of the BraTS plan, by hand."""
    encoder = sum(map(convolutions, (CHANNELS, *FEATURES), FEATURES))
    decoder = sum(
        deep * skip * stride + skip + convolutions(2 * skip, skip) + (skip + 1) * REGIONS
        for skip, deep, stride in zip(FEATURES, FEATURES[1:], STRIDES[1:], strict=False)
    )
    return encoder + decoder


@pytest.mark.slow
def test_the_readme_has_what_it_prints(benchmark, run, checkout, tmp_path):
    report = tmp_path / "sizes.json"
    printed = run(benchmark("network_size"), "--json", report)
    table = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3
    assert set(table) <= set((checkout / "README.md").read_text().splitlines())
    sizes = json.loads(report.read_text())
    assert sizes["networks"]["plan"]["parameters"] == plan_parameters()
    assert sizes["stock_checkpoint_bytes"] == 4 * 2 * plan_parameters()
