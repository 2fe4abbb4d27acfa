"""Parts of mmFormer: tokens in their places, attention to what is there, one decoder for single modalities."""

import pytest
import torch

from nnunetv2_mstkd.architectures.multi_encoder.fusion_transformer import fusion_transformer_size
from nnunetv2_mstkd.architectures.multi_encoder.masked_attention import mask_of_present_keys
from nnunetv2_mstkd.architectures.multi_encoder.mmformer import MMFormerNetwork
from nnunetv2_mstkd.architectures.multi_encoder.modality_tokens import tokens_in_sequence, tokens_on_grid
from nnunetv2_mstkd.architectures.multi_encoder.separate_decoder import SeparateDecoder
from nnunetv2_mstkd.architectures.transformer_block import TransformerBlock
from nnunetv2_mstkd.architectures.transformer_size import TransformerSize

GRID = (2, 3, 4)


@pytest.fixture
def network(network_plan):
    plan = network_plan(num_stages=3)
    return MMFormerNetwork(plan.builder(), plan.channels, plan.classes, plan.patch_size).eval(), plan


# --- Tokens -----------------------------------------------------------------------------------------------------------


def test_one_token_lands_at_its_place_and_in_its_modalitys_channels():
    """The released code viewed the sequence as the grid, which makes neighbours in it the channels of one place."""
    M, width, N = 4, 5, 24
    sequence = torch.zeros(1, M * N, width)
    modality, place = 2, (1, 0, 3)
    number = 1 * 12 + 0 * 4 + 3
    sequence[0, modality * N + number] = torch.arange(1.0, width + 1)
    on_grid = tokens_on_grid(sequence, M, GRID)
    assert on_grid.shape == (1, M, width, *GRID)
    channels = on_grid.flatten(1, 2)  # as the fusion takes them: the channels of each modality in a block
    assert channels[0, :, 1, 0, 3].tolist() == [0.0] * 10 + [1.0, 2.0, 3.0, 4.0, 5.0] + [0.0] * 5
    channels[(0, slice(None), *place)] = 0
    assert not channels.any()


def test_sequence_and_grid_are_inverse():
    tokens = torch.randn(2, 3, 5, *GRID)
    sequence = tokens_in_sequence(tokens)
    assert torch.equal(sequence[1, 24 + 7], tokens[1, 1, :, 0, 1, 3])  # token 7 = (0, 1, 3) of the second modality
    assert torch.equal(tokens_on_grid(sequence, 3, GRID), tokens)


def test_the_width_is_that_of_the_plans_deepest_stage():
    assert [fusion_transformer_size(features).width for features in (320, 100, 8)] == [320, 96, 32]
    assert fusion_transformer_size(320).feedforward == 2560


# --- Attention --------------------------------------------------------------------------------------------------------


def test_the_mask_hides_the_tokens_of_absent_modalities():
    mask = mask_of_present_keys(torch.tensor([[True, False, True], [False, True, True]]), 2)
    assert mask.shape == (2, 1, 1, 6)
    assert mask.flatten(1).int().tolist() == [[1, 1, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1]]


def test_the_mask_is_made_on_the_device_of_the_modality_mask():
    with torch.device("meta"):
        modality_mask = torch.ones(2, 3, dtype=torch.bool)
    assert mask_of_present_keys(modality_mask, 2).device.type == "meta"


@pytest.mark.parametrize("return_attention", [False, True])
def test_a_token_that_is_masked_is_not_attended_to(return_attention):
    block = TransformerBlock(TransformerSize(width=8, heads=2, depth=4, feedforward=16), 0.0)
    tokens = torch.randn(2, 6, 8)
    mask = torch.tensor([True, True, False, False, True, True])
    changed = tokens.clone()
    changed[:, 2:4] += 1
    one, attention = block(tokens, return_attention, mask[None])
    other, _ = block(changed, return_attention, mask[None])
    assert torch.equal(one[:, mask], other[:, mask])
    without, _ = block(tokens[:, mask])
    torch.testing.assert_close(one[:, mask], without)
    if return_attention:
        assert not attention[..., 2:4].any()
        torch.testing.assert_close(attention.sum(-1), torch.ones(2, 2, 6))


def test_absent_tokens_do_not_attend_in_the_network(network):
    """Released: an absent modality's tokens are zeros with positions, and are attended to like any other."""
    network, plan = network
    image, mask = plan.image(1), torch.tensor([[True, False, True, True]])
    with torch.no_grad():
        before = network(image, mask)
        network.within[1].embedding.positions.add_(3)
        assert torch.equal(network(image, mask), before)
        network.within[0].embedding.positions.add_(3)
        assert not torch.equal(network(image, mask), before)


def test_the_transformer_of_an_absent_modality_does_not_run_at_prediction(network):
    network, plan = network
    ran = []
    for channel, within in enumerate(network.within):
        within.register_forward_hook(lambda module, args, output, channel=channel: ran.append(channel))
    network.present = (1, 3)
    with torch.no_grad():
        network(plan.image(1))
    assert ran == [1, 3]


# --- The separate decoder ---------------------------------------------------------------------------------------------


def test_the_separate_decoder_sees_the_raw_stages_of_one_modality(network):
    network, plan = network
    decoder = SeparateDecoder(plan.builder(), 4, 3)
    mask = torch.ones(2, 4, dtype=torch.bool)
    image = plan.image()
    decoder(network(image, mask, True).encoded)[:, 1].square().sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in network.encoders[0].parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.encoders[1].parameters())
    assert all(p.grad is None for p in network.within.parameters())
    assert all(p.grad is not None for p in decoder.parameters()), "DDP waits for each of them"
