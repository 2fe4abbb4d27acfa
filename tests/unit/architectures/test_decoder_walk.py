"""The walk through a plan's decoder is the decoder's own, with another join where a method has one."""

import pytest
import torch

from nnunetv2_mstkd.architectures.multi_encoder.decoder_walk import walk_decoder

PLANS = {
    "2d": {"axes": 2, "num_stages": 4},
    "3d": {"num_stages": 3},
    "two-stages": {"num_stages": 2},
    "residual": {"axes": 2, "residual": True, "num_stages": 4},
    "anisotropic": {"num_stages": 3, "last_stride": (1, 2, 2)},
}


def concatenate(step, feature, skip):
    return torch.cat((feature, skip), dim=1)


@pytest.fixture(params=PLANS, ids=str)
def network_and_skips(request, network_plan):
    plan = network_plan(**PLANS[request.param])
    network = plan.build(deep_supervision=True)
    with torch.no_grad():
        return network, network.encoder(plan.image())


@pytest.mark.parametrize("deep_supervision", [False, True])
@torch.no_grad()
def test_concatenation_is_the_decoders_own_forward_pass(network_and_skips, deep_supervision):
    network, skips = network_and_skips
    network.decoder.deep_supervision = deep_supervision
    found, expected = walk_decoder(network.decoder, skips, concatenate), network.decoder(skips)
    assert isinstance(found, list) is isinstance(expected, list) is deep_supervision
    pairs = zip(found, expected, strict=True) if deep_supervision else [(found, expected)]
    assert all(torch.equal(one, other) for one, other in pairs)


@torch.no_grad()
def test_steps_begin_at_the_coarsest_skip(network_and_skips):
    network, skips = network_and_skips
    met = []

    def join(step, feature, skip):
        assert feature.shape == skip.shape
        met.append((step, skip))
        return concatenate(step, feature, skip)

    walk_decoder(network.decoder, skips, join)
    assert [step for step, _ in met] == list(range(len(skips) - 1))
    assert all(skip is skips[-2 - step] for step, skip in met)
    assert len(skips) == len(network.encoder.output_channels)  # the caller's list is left as it was
