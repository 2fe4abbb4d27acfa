"""The tile by which an engine is compared: of all that pass, the one with the most foreground."""

import torch
from torch import nn

from nnunetv2_mstkd.inference.engines.telling_tile import TellingTile


class Same(nn.Module):
    """A network whose logits are the tiles."""

    def forward(self, tiles):
        return tiles.clone()


def tile_of(*values):
    return torch.tensor(values)[None, None, :, None].float()


def telling_of(*batches):
    telling, network = TellingTile(has_regions=True), Same()
    with telling.watching(network):
        for tiles in batches:
            network(tiles).fill_(7)  # as nnU-Net, which adds to what it gets
    return telling, network


def test_the_most_foreground_is_kept_wherever_it_stands():
    little, most = tile_of(1, -1, -1), tile_of(2, 2, -1)
    for batches in ([little, most], [most, little], [torch.cat([little, most])], [torch.cat([most, little]), little]):
        telling, _ = telling_of(*batches)
        assert torch.equal(telling.tile, most)
        assert torch.equal(telling.logits, most)


def test_without_foreground_it_is_a_tile_that_is_not_zero():
    zeros, background = tile_of(0, 0, 0), tile_of(-1, -1, 0)
    telling, _ = telling_of(zeros, background, zeros)
    assert torch.equal(telling.tile, background)
    assert telling_of(zeros)[0].tile is None


def test_what_comes_afterwards_is_not_looked_at():
    telling, network = telling_of(tile_of(1, -1, -1))
    network(tile_of(1, 1, 1))
    assert torch.equal(telling.tile, tile_of(1, -1, -1))
