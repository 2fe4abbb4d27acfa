"""Sizes of the transformer, as data."""

import pytest

from nnunetv2_mstkd.architectures import TRANSFORMER_PRESETS, TransformerSize, transformer_size


def test_the_paper_preset_is_the_papers():
    # METHOD.md section 2: dim 768, 12 heads, 12 blocks, FFN 2048
    assert transformer_size("paper", 320) == TransformerSize(width=768, heads=12, depth=12, feedforward=2048)


@pytest.mark.parametrize("features", [4, 16, 32, 48, 100, 320, 512])
def test_the_plan_preset_scales_with_the_plan(features):
    size = transformer_size("plan", features)
    assert size.width % 32 == 0
    assert size.width <= max(32, features)
    assert size.width // size.heads == 32
    assert size.feedforward == int(size.width * 2048 / 768)  # the paper's ratio


def test_an_unknown_preset_is_refused_with_the_known():
    with pytest.raises(ValueError, match=r"'huge'.*\['paper', 'plan'\]"):
        transformer_size("huge", 320)
    assert set(TRANSFORMER_PRESETS) == {"plan", "paper"}


@pytest.mark.parametrize(
    "numbers", [(30, 4, 4, 8), (32, 4, 6, 8), (0, 1, 4, 8), (32, 0, 4, 8), (32, 4, 0, 8), (32, 4, 4, -1)]
)
def test_impossible_sizes_are_refused(numbers):
    with pytest.raises(ValueError, match="TransformerSize"):
        TransformerSize(*numbers)
