"""The tile by which an engine is compared: of all that pass, the one that tells most."""

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.inference.engines.agreement import Agreement
from nnunetv2_mstkd.inference.engines.telling_tile import TellingTile


class Same(nn.Module):
    """A network whose logits are the tiles."""

    def forward(self, tiles):
        return tiles.clone()


def tile_of(*values):
    return torch.tensor(values)[None, None, :, None].float()


def regions_of(*voxels):
    """Return a tile (1, R, 300, 1) whose regions have so many voxels."""
    tile = torch.full((1, len(voxels), 300, 1), -1.0)
    for region, count in enumerate(voxels):
        tile[:, region, :count] = 1
    return tile


def telling_of(*batches, so_far=None):
    telling, network = TellingTile(so_far, has_regions=True), Same()
    with telling.watching(network):
        for tiles in batches:
            network(tiles)
            tiles.fill_(7)  # the caller's own
    return telling, network


def orders(first, second):
    """Return how two tiles may come: one after the other, or together."""
    both = [first.clone(), second.clone()]
    return [both, both[::-1], [torch.cat(both)], [torch.cat(both[::-1])]]


@pytest.mark.parametrize("order", range(4))
def test_the_most_foreground_is_kept_wherever_it_stands(order):
    little, most = tile_of(1, -1, -1), tile_of(2, 2, -1)
    telling, _ = telling_of(*orders(little, most)[order])
    assert torch.equal(telling.tile, most)


@pytest.mark.parametrize("order", range(4))
def test_more_regions_are_told_of_before_more_foreground(order):
    large, both = regions_of(300, 99), regions_of(100, 100)
    telling, _ = telling_of(*orders(large, both)[order])
    assert torch.equal(telling.tile, both)


@pytest.mark.parametrize("order", range(4))
def test_a_region_that_was_told_of_is_no_news(order):
    old, new = regions_of(300, 99), regions_of(0, 100)
    telling, _ = telling_of(*orders(old, new)[order], so_far=Agreement(1.0, 0, 0, (100, 0)))
    assert torch.equal(telling.tile, new)


def test_a_tile_without_news_is_not_kept():
    tiles = regions_of(300, 99)
    assert telling_of(tiles.clone(), so_far=Agreement(1.0, 0, 0, (100, 99)))[0].tile is None
    assert telling_of(tiles.clone(), so_far=Agreement(1.0, 0, 0, (99, 99)))[0].tile is not None


def test_without_foreground_it_is_a_tile_that_is_not_zero():
    background = tile_of(-1, -1, 0)
    telling, _ = telling_of(tile_of(0, 0, 0), background.clone(), tile_of(0, 0, 0))
    assert torch.equal(telling.tile, background)
    assert telling_of(tile_of(0, 0, 0))[0].tile is None


def test_what_comes_afterwards_is_not_looked_at():
    telling, network = telling_of(tile_of(1, -1, -1))
    network(tile_of(1, 1, 1))
    assert torch.equal(telling.tile, tile_of(1, -1, -1))
