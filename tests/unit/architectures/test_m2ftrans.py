"""Parts of M2FTrans: the attention mask, spatial weights, channel attention, and the decoder around it."""

import pytest
import torch

from nnunetv2_mstkd.architectures.multi_encoder.channel_attention import ChannelAttention
from nnunetv2_mstkd.architectures.multi_encoder.m2ftrans import M2FTransNetwork, _on_grid, _spatial_weights
from nnunetv2_mstkd.architectures.multi_encoder.masked_attention import mask_of_fusion_tokens


def make(plan, deep_supervision=False):
    def build(num_inputs, num_outputs, width):
        widths = tuple(width(features) for features in plan.widths)
        return plan.but(channels=num_inputs, classes=num_outputs, features=widths).build(deep_supervision)

    return M2FTransNetwork(build, plan.channels, plan.classes, plan.patch_size).eval()


@pytest.fixture
def plan(network_plan):
    return network_plan(num_stages=3)


def test_who_attends_to_whom():
    mask = mask_of_fusion_tokens(torch.tensor([[True, False], [True, True]]), 2)
    assert mask.shape == (2, 1, 6, 6)
    assert mask[0, 0].int().tolist() == [
        [1, 1, 0, 0, 0, 0],  # a modality: to itself
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],  # an absent one, too, so that no row is empty
        [0, 0, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 1],  # the fusion: to what is there and to itself
        [1, 1, 0, 0, 1, 1],
    ]
    assert mask[1, 0, 4:].all()


def test_the_mask_is_made_on_the_device_of_the_modality_mask():
    """The released code made it in NumPy, and copied it in each forward pass."""
    with torch.device("meta"):
        modality_mask = torch.ones(2, 3, dtype=torch.bool)
    assert mask_of_fusion_tokens(modality_mask, 2).device.type == "meta"


def test_spatial_weights_by_hand():
    # 2 heads, 1 modality of 2 tokens, 2 fusion tokens (rows and columns 2, 3)
    attention = torch.zeros(1, 2, 4, 4)
    attention[0, 0, 2] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    attention[0, 0, 3] = torch.tensor([0.5, 0.0, 0.5, 0.0])
    attention[0, 1, 2] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    attention[0, 1, 3] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    attention[0, :, :2] = 9  # rows of the modality do not count
    weights = _spatial_weights(attention.requires_grad_(), torch.Size((1, 2)))
    torch.testing.assert_close(weights, torch.tensor([[[[1.6, 1.2]]]]))  # 0.1 + 0.5 + 1, 0.2 + 1
    assert not weights.requires_grad


def test_weights_go_to_the_nearest_voxels():
    weights = torch.tensor([[[[1.0, 2.0]]]])
    assert _on_grid(weights, (2, 4)).tolist() == [[[[[1, 1, 2, 2], [1, 1, 2, 2]]]]]


def test_weights_of_absent_modalities_are_zero_and_those_of_present_ones_share_the_rest(plan):
    network = make(plan)
    mask = torch.tensor([[True, False, True, False], [False, False, False, True]])
    with torch.no_grad():
        weights = network(plan.image(), mask, True).fused
    paid = weights.flatten(2).sum(-1)
    assert torch.equal(paid > 0, mask)
    tokens, heads = network.fusion_tokens.shape[2:].numel(), network.blocks[0].heads
    assert (paid.sum(1) < tokens * heads).all()  # each row sums to 1, its fusion tokens included


def test_a_modalitys_tokens_do_not_depend_on_the_others(plan):
    network = make(plan)
    image = plan.image(1)
    everything = torch.ones(1, 4, dtype=torch.bool)
    other = image.clone()
    other[:, 1:] += 1
    with torch.no_grad():
        found = [network._attend(network._encode_all(i)[-1], everything)[0] for i in (image, other)]
    torch.testing.assert_close(found[0][:, 0], found[1][:, 0])
    assert not torch.allclose(found[0][:, -1], found[1][:, -1])


def test_the_fusion_tokens_fit_any_grid(plan):
    network = make(plan)
    larger = plan.but(patch=tuple(3 * n for n in plan.patch_size))
    with torch.no_grad():
        weights = network(larger.image(1), torch.ones(1, 4, dtype=torch.bool), True).fused
    assert weights.shape == (1, 4, 6, 6, 6)


# --- Channel attention ------------------------------------------------------------------------------------------------


@pytest.fixture
def attention(plan):
    encoder = plan.build().encoder
    return ChannelAttention(encoder, 3, num_features=6, num_modalities=3, modality_features=2).eval()


def test_absent_modalities_are_not_attended_to(attention):
    feature, modalities = torch.randn(2, 6, 4, 4, 4), torch.randn(2, 3, 2, 4, 4, 4)
    mask = torch.tensor([[True, False, True], [False, True, False]])
    other = modalities.clone()
    other[~mask] = torch.nan
    with torch.no_grad():
        found = attention(feature, modalities, mask)
        assert torch.equal(found, attention(feature, other, mask))
        assert torch.isfinite(found).all()
        other[0, 0] = 0
        assert not torch.equal(found[0], attention(feature, other, mask)[0])


def test_channels_of_one_crossing_by_hand(attention):
    crossing = attention.crossings[0]
    feature, keys = torch.randn(1, 6, 2, 2, 2), torch.randn(1, 6, 2, 2, 2)
    present = torch.tensor([[[True, True, False, False, True, True]]])
    with torch.no_grad():
        found = crossing(feature, keys, present)
        normed = crossing.key_norm(keys)
        query = crossing.query(crossing.feature_norm(feature)).reshape(6, 8)
        key, value = crossing.key(normed).reshape(6, 8), crossing.value(normed).reshape(6, 8)
        rows = []
        for q in query:
            weights = torch.stack([torch.exp(q @ key[c] / 8**0.5) for c in (0, 1, 4, 5)])
            rows.append(sum(w * value[c] for w, c in zip(weights, (0, 1, 4, 5), strict=True)) / weights.sum())
        expected = crossing.out(torch.stack(rows).reshape(1, 6, 2, 2, 2))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


# --- The decoder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deep_supervision", [False, True])
def test_the_walk_through_the_decoder_is_the_decoders_own(plan, deep_supervision, monkeypatch):
    """Where channel attention gives a skip, the logits are what the plan's decoder makes of the skips."""
    network = make(plan, deep_supervision)
    image = plan.image(1)
    skips = [stage.detach() for stage in plan.build().encoder(image)]
    monkeypatch.setattr(network.above_attention, "forward", lambda feature, skip, mask: skip)
    with torch.no_grad():
        found, expected = network.decode(skips, [], torch.ones(1, 4, dtype=torch.bool)), network.decoder(skips)
    assert type(found) is type(expected)
    assert len(found) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
