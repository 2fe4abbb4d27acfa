"""What the network promises on every plan: 2D and 3D, plain and residual encoders, 3 to 8 stages, odd strides."""

import copy
import itertools
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from nnunetv2_mstkd.architectures import MSTKDNetwork, NetworkFeatures, StyleDiscriminator
from nnunetv2_mstkd.errors import UnsupportedNetworkError

PLANS = {
    f"{axes}d-{'residual' if residual else 'plain'}-{stages}": dict(axes=axes, residual=residual, num_stages=stages)
    for axes, residual, stages in itertools.product((2, 3), (False, True), (3, 5))  # all of 3 to 8: on the meta device
    if (axes, stages) != (3, 5) or not residual  # half a second a test
}
ANISOTROPIC = {
    "last-2x2x1": {"last_stride": (2, 2, 1)},
    "last-1x2x2": {"last_stride": (1, 2, 2)},
    "last-1x1x2": {"last_stride": (1, 1, 2)},
    "odd-grid": {"patch": (24, 40, 8)},
}
LAYERS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)


@pytest.fixture(params=PLANS, ids=str)
def plan(request, network_plan):
    return network_plan(**PLANS[request.param])


@pytest.fixture
def network(network_plan):
    """One network of 4 stages and its plan, for what does not depend on the plan."""
    plan = network_plan(num_stages=4)
    return MSTKDNetwork(plan.build(), plan.patch_size), plan


def build(plan, deep_supervision=False, **options):
    return MSTKDNetwork(plan.build(deep_supervision), plan.patch_size, **options)


def shapes(logits):
    return [tuple(scale.shape) for scale in logits] if isinstance(logits, list | tuple) else [tuple(logits.shape)]


# --- The interface of the plan's network ------------------------------------------------------------------------------


@pytest.mark.parametrize("deep_supervision", [False, True])
def test_shapes_are_the_plain_networks(plan, deep_supervision):
    image = plan.image()
    with torch.no_grad():
        logits = build(plan, deep_supervision)(image)
        expected = plan.build(deep_supervision)(image)
    assert type(logits) is type(expected)
    assert shapes(logits) == shapes(expected)
    assert all(torch.isfinite(scale).all() for scale in (logits if deep_supervision else [logits]))


@pytest.mark.parametrize("case", ANISOTROPIC, ids=str)
def test_anisotropic_strides_keep_the_shapes(network_plan, case):
    plan = network_plan(num_stages=4, **ANISOTROPIC[case])
    network = build(plan, deep_supervision=True)
    image = plan.image()
    features = network(image, True, True)
    assert shapes(features.logits) == shapes(plan.build(True)(image))
    sum(scale.sum() for scale in features.logits).backward()


@pytest.mark.parametrize("preset", ["plan", "paper"])
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("stages", range(3, 9))
def test_any_number_of_stages_and_both_presets(network_plan, axes, residual, stages, preset):
    plan = network_plan(axes=axes, residual=residual, num_stages=stages)
    with torch.device("meta"):
        network = build(plan, deep_supervision=True, preset=preset)
        features = network(plan.image(device="meta"), True, True)
        expected = plan.build(True)(plan.image(device="meta"))
    assert shapes(features.logits) == shapes(expected)
    assert len(features.attention) == 4
    assert len(features.multiscale) == min(4, stages)


def test_deep_supervision_does_not_change_the_state_dict(plan):
    on, off = build(plan, True), build(plan, False)
    assert list(on.state_dict()) == list(off.state_dict())
    off.load_state_dict(on.state_dict(), strict=True)
    image = plan.image(1)
    with torch.no_grad():
        assert torch.equal(on.eval()(image)[0], off.eval()(image))


def test_every_weight_is_in_the_state_dict_once(plan):
    state = build(plan).state_dict()
    assert not [key for key in state if key.startswith("decoder.encoder.")]
    # dynamic-network-architectures registers each convolution under two names; the plain network's list is the measure
    own = {key for key in state if key.startswith(("encoder.", "decoder."))}
    plains = {key for key in plan.build().state_dict() if not key.startswith("decoder.encoder.")}
    assert own == plains


def test_plain_encoder_and_decoder_weights_fit(plan):
    plain = {k: v for k, v in plan.build().state_dict().items() if not k.startswith("decoder.encoder.")}
    missing, unexpected = build(plan).load_state_dict(plain, strict=False)
    assert not unexpected
    assert all(key.startswith(("transformer.", "fusion.")) for key in missing)


@pytest.mark.parametrize("factor", [(2, 1, 1), (1, 3, 2)])
def test_another_patch_size_interpolates_the_positions(network_plan, factor):
    plan = network_plan(num_stages=4)
    network = build(plan).eval()
    with torch.no_grad():
        network.transformer.positions.normal_()
        larger = plan.but(patch=tuple(n * f for n, f in zip(plan.patch_size, factor, strict=True)))
        logits = network(larger.image())
    assert logits.shape[2:] == larger.patch_size
    assert torch.isfinite(logits).all()


def test_many_tokens_are_patchified(network_plan):
    plan = network_plan(axes=2, num_stages=3, patch=(256, 128))  # deepest grid 64 x 32: 2048 tokens unless patchified
    network = build(plan)
    features = network(plan.image(1), True, True)
    tokens = features.attention[0].shape[-1]
    assert tokens == 16 * 32  # 64 x 32 = 2048 tokens; halving the longer axis: 32 x 32 = 1024, 16 x 32 = 512
    assert network.transformer.patch == (4, 1)
    assert features.multiscale[0].shape[2:] == (64, 32)


def test_unsupported_networks_are_refused_by_name():
    with pytest.raises(UnsupportedNetworkError, match="Sequential"):
        MSTKDNetwork(nn.Sequential(nn.Conv2d(4, 3, 1)), (32, 32))


def test_one_stage_is_refused(network_plan):
    with pytest.raises(UnsupportedNetworkError, match="Two stages or more"):
        build(network_plan(num_stages=1, patch=(8, 8, 8)))


# --- Evaluation -------------------------------------------------------------------------------------------------------


def test_evaluation_returns_logits_by_fused_attention(network, monkeypatch):
    network, plan = network
    fused, explicit = [], []
    attend, softmax = functional.scaled_dot_product_attention, torch.softmax
    monkeypatch.setattr(functional, "scaled_dot_product_attention", lambda *a, **k: fused.append(1) or attend(*a, **k))
    monkeypatch.setattr(torch, "softmax", lambda *a, **k: explicit.append(1) or softmax(*a, **k))
    with torch.no_grad():
        logits = network.eval()(plan.image())
    assert isinstance(logits, torch.Tensor)
    assert len(fused) == len(network.transformer.blocks)
    assert not explicit


def test_attention_maps_do_not_change_the_result(network):
    network, plan = network
    network.eval().double()
    image = plan.image().double()
    with torch.no_grad():
        torch.testing.assert_close(network(image, True, True).logits, network(image), rtol=1e-9, atol=1e-9)


def test_evaluation_is_deterministic_and_training_is_not(network):
    network, plan = network
    image = plan.image()
    with torch.no_grad():
        network.eval()
        assert torch.equal(network(image), network(image))
        network.train()
        assert not torch.equal(network(image), network(image))


@torch.inference_mode()
def test_evaluation_keeps_no_distillation_tensors(network):
    net, plan = network
    net.eval()
    taps = []
    alive = []
    for projection in net.transformer.tap_projections:
        projection.register_forward_hook(lambda module, args, output: taps.append(weakref.ref(output)))
    net.fusion.style_projection.register_forward_hook(lambda module, args, output: taps.append(weakref.ref(output)))
    net.decoder.register_forward_pre_hook(lambda module, args: alive.extend(tap() for tap in taps))
    net(plan.image(batch=1))
    assert alive == [None] * 5  # four taps and the style are gone when the decoder starts


@pytest.mark.slow
def test_compile_traces_one_graph_with_and_without_features(network):
    net, plan = network
    traced = torch.compile(net, backend="eager", fullgraph=True)  # fullgraph: a graph break is an error
    image = plan.image()
    torch.manual_seed(0)
    compiled = traced(image, True, True)
    torch.manual_seed(0)
    expected = net(image, True, True)
    assert isinstance(compiled, NetworkFeatures)
    torch.testing.assert_close(compiled.logits, expected.logits)
    net.eval()
    torch.testing.assert_close(traced(image), net(image))


def test_features_are_shaped_as_the_stages(plan):
    network = build(plan, deep_supervision=True)
    image = plan.image()
    features = network(image, True, True)
    assert isinstance(features, NetworkFeatures)
    stages = [tuple(stage.shape) for stage in network.encoder(image)]
    assert [tuple(f.shape) for f in features.multiscale] == stages[::-1][:4]
    for feature in (features.encoded, features.style, features.content):
        assert tuple(feature.shape) == stages[-1]
    assert len(features.attention) == 4
    for attention in features.attention:
        B, heads, N, _ = attention.shape
        assert (B, heads) == (len(image), network.transformer.blocks[0].heads)
        assert network.transformer.positions.shape[2:].numel() == N
        torch.testing.assert_close(attention.sum(-1), torch.ones(B, heads, N))


def test_backward_reaches_every_parameter(plan):
    network = build(plan, deep_supervision=True)
    features = network(plan.image(), True, True)
    tensors = [*features.logits, *features.multiscale, *features.attention, features.style, features.content]
    sum((tensor * torch.randn_like(tensor)).sum() for tensor in tensors).backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


def test_logits_alone_reach_every_parameter(plan):
    """Under DDP each parameter must be used in each step, whatever the distillation weights."""
    network = build(plan, deep_supervision=True)
    sum(scale.sum() for scale in network(plan.image())).backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


def test_ablations_lack_their_parts(network_plan):
    plan = network_plan(num_stages=4)
    image = plan.image()
    no_transformer = build(plan, use_transformer=False)
    features = no_transformer(image, True, True)
    assert not [key for key in no_transformer.state_dict() if key.startswith("transformer.")]
    assert (features.multiscale, features.attention) == ((), ())
    assert features.style is not None

    no_fusion = build(plan, use_style_fusion=False)
    features = no_fusion(image, True, True)
    assert not [key for key in no_fusion.state_dict() if key.startswith("fusion.")]
    assert features.style is None
    assert features.content is None
    assert len(features.multiscale) == 4


def test_without_both_parts_it_is_the_plans_own_network(network_plan):
    plan = network_plan(num_stages=4)
    plain = plan.build()
    network = MSTKDNetwork(copy.deepcopy(plain), plan.patch_size, use_transformer=False, use_style_fusion=False)
    image = plan.image()
    with torch.no_grad():
        assert torch.equal(network(image), plain(image))


@pytest.mark.parametrize("axes", [2, 3])
def test_discriminator_gives_one_score_a_sample_for_any_grid(axes):
    discriminator = StyleDiscriminator(nn.Conv3d if axes == 3 else nn.Conv2d, 12)
    for size in (1, 5):
        style = torch.randn(3, 12, *(size,) * axes, requires_grad=True)
        scores = discriminator(style)
        assert scores.shape == (3,)
        scores.sum().backward()
        assert style.grad.abs().sum() > 0


# --- Cost -------------------------------------------------------------------------------------------------------------


def count_outputs(network, image):
    """Count the numbers that convolutions and linear layers put out: nnU-Net's measure, taken from a forward pass.

    A tap is projected on the token grid and then interpolated; what stays in memory is the interpolated feature.
    """
    counted = []
    resized = []
    for name, module in network.named_modules():
        if isinstance(module, LAYERS) and ".tap_projections." not in name:
            module.register_forward_hook(lambda module, args, output: counted.append(output[0].numel()))
    if isinstance(network, MSTKDNetwork):
        network.transformer.register_forward_hook(
            lambda module, args, output: resized.extend(feature[0].numel() for feature in output[0])
        )
    network(image)
    return sum(counted) + sum(resized)


def test_feature_map_size_is_that_of_the_layers(plan):
    with torch.device("meta"):
        network, plain, image = build(plan, True), plan.build(True), plan.image(1, "meta")
    ours, plains = (n.compute_conv_feature_map_size(plan.patch_size) for n in (network, plain))
    # dynamic-network-architectures' own count is not exact for residual blocks: compare what we add
    assert ours - plains == count_outputs(network, image) - count_outputs(plain, image) > 0


def test_the_bar_for_the_brats_plan(network_plan):
    """The issue's bar: at most 1.06 times the FLOPs and 1.8 times the parameters of the plain network."""
    plan = network_plan(
        num_stages=6, features=(32, 64, 128, 256, 320, 320), last_stride=(2, 2, 1), patch=(128, 160, 112)
    )
    flops, parameters = [], []
    with torch.device("meta"):
        for network in (plan.build(), build(plan)):
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                network.eval()(plan.image(1, "meta"))
            flops.append(counter.get_total_flops())
            parameters.append(sum(p.numel() for p in network.parameters()))
    assert flops[0] == pytest.approx(1057e9, rel=0.01)  # the figures for the plain network: the plan is right
    assert parameters[0] == pytest.approx(30.8e6, rel=0.01)
    assert flops[1] <= 1.06 * flops[0]
    assert parameters[1] <= 1.8 * parameters[0]
