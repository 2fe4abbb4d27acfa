"""The transformer at the bottleneck: tokens, positions, taps."""

import math

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.architectures import MultiScaleTransformer, TransformerSize
from nnunetv2_mstkd.architectures.multiscale_transformer import patch_embedding_size
from nnunetv2_mstkd.architectures.transformer_block import TransformerBlock

SIZE = TransformerSize(width=8, heads=2, depth=4, feedforward=12)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ((4, 5, 7), (1, 1, 1)),  # nnU-Net's BraTS plan: 140 tokens
        ((8, 8, 8), (1, 1, 1)),  # 512, just enough
        ((8, 8, 9), (1, 1, 2)),  # 576: halve the longest
        ((32, 32), (2, 1)),  # 1024 -> 512
        ((2, 64, 64), (1, 4, 4)),  # 8192 -> 4096 -> 2048 -> 1024 -> 512
    ],
)
def test_patches_halve_the_longest_axis_until_there_are_few_tokens(grid, expected):
    assert patch_embedding_size(grid) == expected
    assert math.prod(math.ceil(g / p) for g, p in zip(grid, expected, strict=True)) <= 512


@pytest.mark.parametrize("grid", [(3, 300, 5), (700, 1), (40, 41, 43)])
def test_no_grid_has_too_many_tokens(grid):
    size = patch_embedding_size(grid)
    assert math.prod(math.ceil(g / p) for g, p in zip(grid, size, strict=True)) <= 512


def test_attention_rows_sum_to_one_and_explicit_equals_fused():
    block = TransformerBlock(SIZE, dropout=0.0).double()
    tokens = torch.randn(2, 7, 8, dtype=torch.float64)
    explicit, attention = block(tokens, return_attention=True)
    fused, nothing = block(tokens)
    assert nothing is None
    assert attention.shape == (2, 2, 7, 7)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 2, 7, dtype=torch.float64))
    torch.testing.assert_close(explicit, fused, rtol=1e-10, atol=1e-10)


def test_a_block_does_not_know_the_order_of_tokens():
    block = TransformerBlock(SIZE, dropout=0.0).double()
    tokens = torch.randn(1, 6, 8, dtype=torch.float64)
    order = torch.randperm(6)
    torch.testing.assert_close(block(tokens[:, order])[0], block(tokens)[0][:, order])


@pytest.mark.parametrize("num_stages", [2, 3, 4, 6])
def test_taps_go_to_the_deepest_stages(num_stages):
    transformer = MultiScaleTransformer(nn.Conv2d, [4 * (s + 1) for s in range(num_stages)], (2, 2), SIZE)
    assert transformer.stages == tuple(range(num_stages - 1, max(-1, num_stages - 5), -1))


def test_a_grid_that_patches_do_not_divide_is_padded():
    transformer = MultiScaleTransformer(nn.Conv2d, [4, 4], (33, 33), SIZE)
    assert transformer.patch != (1, 1)
    features = [torch.randn(1, 4, 66, 66), torch.randn(1, 4, 33, 33)]
    tapped, _ = transformer(features)
    assert [tuple(t.shape[2:]) for t in tapped] == [(33, 33), (66, 66)]


def test_only_the_deepest_feature_is_read():
    transformer = MultiScaleTransformer(nn.Conv2d, [4, 4], (3, 3), SIZE, dropout=0.0)
    features = [torch.randn(1, 4, 6, 6), torch.randn(1, 4, 3, 3)]
    other = [torch.randn(1, 4, 6, 6), features[1]]
    for one, same in zip(transformer(features)[0], transformer(other)[0], strict=True):
        assert torch.equal(one, same)
