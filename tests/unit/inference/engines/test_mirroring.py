"""Mirroring in one call is nnU-Net's own."""

from types import SimpleNamespace

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunetv2_mstkd.inference.engines.mirroring import mean_over_mirrored


@pytest.mark.parametrize(("axes", "images"), [((0, 1, 2), 8), ((0, 2), 4), ((1,), 2)])
@torch.inference_mode()
def test_it_is_nnunets_mean_asked_for_at_once(axes, images):
    network = torch.nn.Sequential(torch.nn.Conv3d(2, 3, 3, padding=1), torch.nn.Tanh())
    tile = torch.randn(1, 2, 5, 6, 7)
    asked = []

    def run(tiles):
        asked.append(len(tiles))
        return torch.cat([network(one[None]) for one in tiles])

    nnunet = SimpleNamespace(allowed_mirroring_axes=axes, use_mirroring=True, network=network)
    expected = nnUNetPredictor._internal_maybe_mirror_and_predict(nnunet, tile)
    assert torch.equal(mean_over_mirrored(run, tile, axes), expected)
    assert asked == [images]
