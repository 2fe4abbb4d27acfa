"""RMBTS: gates, the network on every plan and subset, and the images that are rebuilt beside it."""

import copy
import itertools

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch.utils.flop_counter import FlopCounterMode

from nnunetv2_mstkd.architectures.multi_encoder.gated_fusion import GatedFusion
from nnunetv2_mstkd.architectures.multi_encoder.rmbts import RMBTSNetwork
from nnunetv2_mstkd.architectures.multi_encoder.style_image_decoder import (
    STYLE_CODE,
    AdaptiveBlock,
    StyleImageDecoder,
    StyleReconstruction,
    adapt_instances,
)

PLANS = {
    "2d-plain": {"axes": 2, "channels": 2},
    "2d-residual": {"axes": 2, "residual": True, "channels": 6},
    "3d-plain": {"num_stages": 3},
    "3d-residual": {"residual": True, "num_stages": 3},
    "last-1x2x2": {"last_stride": (1, 2, 2)},
    "odd-grid": {"num_stages": 3, "patch": (12, 20, 8)},
    "two-stages": {"num_stages": 2, "channels": 3},
}
SUBSETS = [subset for subset in itertools.product((False, True), repeat=4) if any(subset)]


def make(plan, deep_supervision=False):
    return RMBTSNetwork(plan.builder(deep_supervision), plan.channels, plan.classes)


def make_reconstruction(plan, network):
    return StyleReconstruction(network.encoders[0], plan.channels, network.stage_features[-1])


@pytest.fixture(params=PLANS, ids=str)
def plan(request, network_plan):
    return network_plan(**PLANS[request.param])


@pytest.fixture
def small(network_plan):
    """A plan of three stages, for what does not depend on it."""
    return network_plan(num_stages=3)


# --- The gates --------------------------------------------------------------------------------------------------------


@pytest.fixture
def fusion(small):
    """Four modalities of 2 channels, merged to 3."""
    return GatedFusion(small.build().encoder, 4, 2, 3, (3, 3, 3))


MASK = torch.tensor([[True, False, True, False], [False, False, False, True]])


def test_the_fusion_is_the_equation(fusion):
    features = torch.randn(2, 4, 2, 4, 5, 6)
    there = features * MASK.reshape(2, 4, 1, 1, 1, 1)
    maps = fusion.gate.conv(there.reshape(2, 8, 4, 5, 6))
    maps = (maps - maps.mean((2, 3, 4), keepdim=True)) / (maps.var((2, 3, 4), correction=0, keepdim=True) + 1e-5).sqrt()
    weighted = torch.cat([there[:, i] / (1 + (-maps[:, [i]]).exp()) for i in range(4)], dim=1)
    mixed = torch.einsum("bi...,oi->bo...", weighted, fusion.merge.conv.weight.flatten(1))
    mixed = (mixed - mixed.mean((2, 3, 4), keepdim=True)) / (
        mixed.var((2, 3, 4), correction=0, keepdim=True) + 1e-5
    ).sqrt()
    torch.testing.assert_close(fusion(features, MASK), torch.where(mixed > 0, mixed, 0.01 * mixed))


def test_gates_of_absent_modalities_have_no_influence(fusion):
    features = torch.randn(2, 4, 2, 4, 4, 4)
    mask = torch.tensor([[True, False, True, False]] * 2)
    before = fusion(features, mask)
    with torch.no_grad():
        fusion.gate.conv.weight[[1, 3]] = 7
        fusion.gate.norm.bias[[1, 3]] = -9
    assert torch.equal(fusion(features, mask), before)
    with torch.no_grad():
        fusion.gate.norm.bias[2] = -9
    assert not torch.allclose(fusion(features, mask), before)


@pytest.mark.parametrize("anything", [1e4, float("nan"), float("inf")])
def test_absent_features_have_no_influence_and_no_gradient(fusion, anything):
    features = torch.randn(2, 4, 2, 4, 4, 4)
    other = features.clone()
    other[~MASK] = anything
    features.requires_grad_()
    merged = fusion(features, MASK)
    assert torch.equal(merged, fusion(other, MASK))
    (gradient,) = torch.autograd.grad(merged.square().sum() + merged.sum(), features)
    assert not gradient[~MASK].any()
    assert all(each.any() for each in gradient[MASK])


# --- The network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deep_supervision", [False, True])
def test_shapes_are_the_plain_networks(plan, deep_supervision):
    image = plan.image()
    with torch.no_grad():
        logits = make(plan, deep_supervision)(image)
        expected = plan.build(deep_supervision)(image)
    each, plain = (value if deep_supervision else [value] for value in (logits, expected))
    assert isinstance(logits, list) is deep_supervision
    assert [scale.shape for scale in each] == [scale.shape for scale in plain]


def test_another_patch_size_will_do(plan):
    network = make(plan).eval()
    larger = plan.but(patch=tuple(n * factor for n, factor in zip(plan.patch_size, (3, 2, 1), strict=False)))
    with torch.no_grad():
        assert network(larger.image(1)).shape[2:] == larger.patch_size


def test_what_images_are_rebuilt_from_is_the_deepest_skip(small):
    network, image = make(small), small.image()
    skips = []
    network.decoder.register_forward_pre_hook(lambda module, args: skips.extend(args[0]))
    features = network(image, torch.ones(2, 4, dtype=torch.bool), True)
    assert features.fused is skips[-1]
    stages = [tuple(stage.shape) for stage in small.build().encoder(image)]
    assert [tuple(skip.shape) for skip in skips] == stages


@pytest.mark.parametrize("anything", [3.0, float("nan")])
def test_an_absent_image_has_no_influence(small, anything):
    network, image = make(small, True), small.image()
    other = image.clone()
    other[~MASK] = anything
    one, two = (network(each, MASK) for each in (image, other))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_gradient_reaches_the_encoders_of_what_is_there(small):
    network, image = make(small, deep_supervision=True), small.image(1)
    for subset in SUBSETS:
        network.zero_grad(set_to_none=True)
        sum(logits.square().sum() for logits in network(image, torch.tensor([subset]))).backward()
        reached = [any(p.grad.any().item() for p in encoder.parameters()) for encoder in network.encoders]
        assert reached == list(subset)
        assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_prediction_of_a_subset_is_that_of_its_mask(small):
    network, image = make(small).eval(), small.image(1)
    for subset in SUBSETS:
        with torch.no_grad():
            network.present = (0, 1, 2, 3)
            told = network(image, torch.tensor([subset]))
            network.present = tuple(i for i, there in enumerate(subset) if there)
            assert torch.equal(network(image), told)
            assert torch.equal(network(image), told)  # nothing is random


def test_samples_do_not_see_each_other(small):
    network, image = make(small).eval(), small.image()
    with torch.no_grad():
        both = network(image, MASK)
        each = torch.cat([network(image[[i]], MASK[[i]]) for i in range(2)])
    torch.testing.assert_close(both, each)


def test_only_what_predicts_is_in_the_network(small):
    on, off = make(small, True).state_dict(), make(small).state_dict()
    assert list(on) == list(off)
    assert {key.split(".")[0] for key in on} == {"encoders", "decoder", "fusions"}


@pytest.mark.slow
def test_subsets_do_not_compile_again(small):
    torch._dynamo.reset()
    network, image, counter = make(small, True), small.image(), CompileCounter()
    compiled = torch.compile(network, backend=counter, fullgraph=True)
    for subset in SUBSETS:
        compiled(image, torch.tensor([subset, SUBSETS[-1]]), True)
    assert counter.frame_count == 1
    torch._dynamo.reset()


@pytest.mark.slow
def test_the_predicting_network_is_exported(small):
    network, image = make(small).eval(), small.image(1)
    network.present = (0, 2)
    exported = torch.export.export(network, (image,)).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(image), network(image))


# --- Styles -----------------------------------------------------------------------------------------------------------


def test_the_first_parameter_scales_and_the_second_shifts():
    # one channel of 0 and 2: mean 1, standard deviation 1, so normalised -1 and 1
    feature = torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2)
    adapted = adapt_instances(feature, torch.tensor([[3.0]]), torch.tensor([[10.0]]))
    torch.testing.assert_close(adapted.flatten(), torch.tensor([7.0, 13.0]), atol=1e-3, rtol=0)


def test_each_sample_and_channel_has_its_own_style():
    feature, scale, shift = torch.randn(2, 3, 8, 8, 8), torch.rand(2, 3) + 1, torch.randn(2, 3)
    adapted = adapt_instances(feature, scale, shift)
    torch.testing.assert_close(adapted.mean((2, 3, 4)), shift)
    torch.testing.assert_close(adapted.std((2, 3, 4), correction=0), scale, atol=1e-4, rtol=1e-4)


def test_the_means_scale_and_the_standard_deviations_shift(small, monkeypatch):
    network = make(small)
    decoder = StyleImageDecoder(network.encoders[0], network.stage_features[-1])
    styled = []
    monkeypatch.setattr(AdaptiveBlock, "forward", lambda self, feature, *style: styled.append(style) or feature)
    _, mean, log_variance = decoder(torch.randn(2, network.stage_features[-1], 2, 2, 2), torch.randn(2, STYLE_CODE))
    assert len(styled) == 4  # blocks
    for scale, shift in styled:
        assert torch.equal(scale, mean)
        torch.testing.assert_close(2 * shift.log(), log_variance)


@pytest.mark.parametrize("half", [None, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [0.0, -1e6, 1e6])
def test_no_spread_is_zero_or_infinite(small, half, value):
    """The released code takes the logarithm of the square of what it predicts: minus infinity at 0."""
    network = make(small)
    decoder = StyleImageDecoder(network.encoders[0], network.stage_features[-1]).to(half)
    with torch.no_grad():
        decoder.mlp[-1].weight.zero_()
        decoder.mlp[-1].bias.fill_(max(-6e4, min(6e4, value)))
    _, _, log_variance = decoder(torch.randn(1, 16, 2, 2, 2).to(half), torch.randn(1, STYLE_CODE).to(half))
    assert log_variance.isfinite().all()
    assert (log_variance / 2).exp().isfinite().all()
    assert ((log_variance / 2).exp() > 0).all()


def test_images_are_finite_in_float16_at_the_largest_spread(small):
    network = make(small)
    width = network.encoder_features[-1]
    decoder = StyleImageDecoder(network.encoders[0], network.stage_features[-1])
    with torch.no_grad():
        decoder.mlp[-1].weight.zero_()
        decoder.mlp[-1].bias.copy_(torch.tensor([1.0] * width + [1e6] * width))
    with torch.autocast("cpu", torch.float16):
        image, _, log_variance = decoder(
            torch.randn(1, network.stage_features[-1], 2, 2, 2), torch.randn(1, STYLE_CODE)
        )
    assert log_variance.eq(10).all()
    assert image.dtype == torch.float16
    assert image.isfinite().all()


def test_all_images_are_rebuilt_at_full_resolution(plan):
    network, image = make(plan), plan.image(3)
    mask = torch.zeros(3, plan.channels, dtype=torch.bool)
    mask[:, 0] = True
    rebuilt = make_reconstruction(plan, network)(image, network(image, mask, True).fused)
    width = network.encoder_features[-1]
    assert rebuilt.images.shape == image.shape
    assert rebuilt.means.shape == rebuilt.log_variances.shape == (3, plan.channels, width)


def test_samples_are_rebuilt_by_themselves(small):
    """The released code is written for a batch of one and patches of 80^3."""
    network, image = make(small), small.image(3)
    reconstruction = make_reconstruction(small, network)
    content = network(image, torch.ones(3, 4, dtype=torch.bool), True).fused
    together = reconstruction(image, content)
    for i in range(3):
        alone = reconstruction(image[[i]], content[[i]])
        for whole, part in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[[i]], part, atol=1e-4, rtol=1e-4)


def test_a_modality_is_rebuilt_from_the_content_and_its_own_style_alone(small):
    network, image = make(small), small.image(1)
    reconstruction = make_reconstruction(small, network)
    content = network(image, torch.ones(1, 4, dtype=torch.bool), True).fused
    other = image.clone()
    other[:, 1] += torch.randn_like(other[:, 1])
    one, two = (reconstruction(each, content) for each in (image, other))
    same = [torch.equal(one.images[:, i], two.images[:, i]) for i in range(4)]
    assert same == [True, False, True, True]
    assert not torch.equal(one.images, reconstruction(image, 1 + content.flip(2)).images)


def test_a_style_keeps_the_intensity(small):
    """Normalised, an image and its double would have one style."""
    encode = make_reconstruction(small, make(small)).style_encoders[0]
    image = small.image(1)[:, :1]
    with torch.no_grad():
        assert not torch.allclose(encode(image), encode(2 * image), atol=1e-3)


def test_every_weight_beside_the_network_is_used(plan):
    network, image = make(plan), plan.image()
    reconstruction = make_reconstruction(plan, network)
    content = network(image, torch.ones(2, plan.channels, dtype=torch.bool), True).fused
    sum(part.square().sum() for part in reconstruction(image, content)).backward()
    assert not [name for name, p in reconstruction.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.slow
def test_it_learns_an_image(small):
    network, image = make(small), small.image(1)
    reconstruction = make_reconstruction(small, network)
    image = torch.nn.functional.avg_pool3d(image, 5, 1, 2) * 5  # noise cannot be rebuilt from coarse features
    content = network(image, torch.ones(1, 4, dtype=torch.bool), True).fused.detach()
    optimizer = torch.optim.Adam(reconstruction.parameters(), 3e-3)
    differences = []
    for _ in range(30):
        optimizer.zero_grad()
        difference = (reconstruction(image, content).images - image).abs().mean()
        difference.backward()
        optimizer.step()
        differences.append(difference.item())
    assert differences[-1] < 0.5 * differences[0]


# --- Cost -------------------------------------------------------------------------------------------------------------


def test_the_cost_for_the_brats_plan(network_plan):
    """At most 1.1 times nnU-Net's FLOPs at prediction, and half of the network's beside it in training."""
    plan = network_plan(
        num_stages=6, features=(32, 64, 128, 256, 320, 320), last_stride=(2, 2, 1), patch=(128, 160, 112)
    )

    def flops(module, *args):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(*args)
        return counter.get_total_flops()

    with torch.device("meta"):
        plain, network, image = plan.build(), make(plan), plan.image(1, "meta")
        reconstruction = make_reconstruction(plan, network)
        plains, networks = flops(plain, image), flops(network, image)
        beside = flops(reconstruction, image, torch.empty(1, 320, 4, 5, 7))
    assert plains < networks < 1.06 * plains
    assert beside < 0.5 * networks
    assert sum(p.numel() for p in network.parameters()) < 1.04 * sum(p.numel() for p in plain.parameters())


def test_the_same_weights_give_the_same_logits(small):
    network = make(small).eval()
    other = make(small).eval()
    other.load_state_dict(copy.deepcopy(network.state_dict()), strict=True)
    image = small.image(1)
    with torch.no_grad():
        assert torch.equal(network(image), other(image))
