"""RA-HVED: the product of experts, its latents in training and evaluation, attention, and what trains beside it."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from nnunetv2_mstkd.architectures.image_discriminator import (
    ImageDiscriminator,
    foreground_confidence,
    judged_image,
)
from nnunetv2_mstkd.architectures.multi_encoder.image_decoders import ImageDecoders
from nnunetv2_mstkd.architectures.multi_encoder.product_of_experts import product_of_experts
from nnunetv2_mstkd.architectures.multi_encoder.ra_hved import RAHVEDNetwork
from nnunetv2_mstkd.architectures.multi_encoder.roi_attention import AttentionMap, RegionAttentiveSkip

PLANS = {
    "2d-plain": {"axes": 2, "channels": 2},
    "2d-residual": {"axes": 2, "residual": True, "channels": 6},
    "3d-plain": {"num_stages": 3},
    "3d-residual": {"residual": True, "num_stages": 3},
    "last-1x2x2": {"last_stride": (1, 2, 2)},
    "odd-grid": {"num_stages": 3, "patch": (12, 20, 4)},
    "two-stages": {"num_stages": 2, "channels": 3},
}
SUBSETS = [subset for subset in itertools.product((False, True), repeat=4) if any(subset)]


def make(plan, deep_supervision=False):
    return RAHVEDNetwork(plan.builder(deep_supervision), plan.channels, plan.classes, plan.patch_size)


@pytest.fixture(params=PLANS, ids=str)
def plan(request, network_plan):
    return network_plan(**PLANS[request.param])


@pytest.fixture
def small(network_plan):
    """A plan of three stages, for what does not depend on it."""
    return network_plan(num_stages=3)


# --- The product of experts -------------------------------------------------------------------------------------------


def experts(*values):
    """Return (B=1, M, C=1, 1) of one value a modality."""
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1)


def test_one_expert_and_the_prior():
    # T = 1 / 0.25 = 4: mean 4 * 3 / 5, variance 1 / 5
    mean, log_variance = product_of_experts(experts(3.0), experts(math.log(0.25)), torch.tensor([[True]]))
    assert mean.item() == pytest.approx(12 / 5)
    assert log_variance.item() == pytest.approx(math.log(1 / 5))


def test_two_experts_and_the_prior():
    # T = 4 and 0.5: mean (4 * 3 - 0.5 * 2) / 5.5
    both = experts(3.0, -2.0), experts(math.log(0.25), math.log(2))
    mean, log_variance = product_of_experts(*both, torch.tensor([[True, True]]))
    assert mean.item() == pytest.approx(2)
    assert log_variance.item() == pytest.approx(-math.log(5.5))


@pytest.mark.parametrize("anything", [1e4, float("nan"), float("inf")])
def test_an_absent_expert_has_no_influence_and_no_gradient(anything):
    means, log_variances = experts(3.0, anything), experts(0.5, anything)
    tensors = [tensor.requires_grad_() for tensor in (means, log_variances)]
    product = product_of_experts(*tensors, torch.tensor([[True, False]]))
    alone = product_of_experts(experts(3.0), experts(0.5), torch.tensor([[True]]))
    assert product == alone
    for gradient in torch.autograd.grad(sum(product).sum(), tensors):
        assert gradient[0, 0].item() != 0
        assert gradient[0, 1].item() == 0


def test_the_order_of_the_experts_does_not_matter_and_its_inputs_stay():
    means, log_variances = torch.randn(2, 2, 3, 4, 5)
    before = means.clone(), log_variances.clone()
    mask = torch.tensor([[True, False, True], [True, True, True]])
    order = [2, 0, 1]
    product = product_of_experts(means, log_variances, mask)
    torch.testing.assert_close(product, product_of_experts(means[:, order], log_variances[:, order], mask[:, order]))
    assert torch.equal(means, before[0])
    assert torch.equal(log_variances, before[1])


@pytest.mark.parametrize("log_variance", [-50.0, 50.0])
def test_extreme_variances_are_finite_in_half_precision(log_variance):
    means, log_variances = torch.ones(1, 2, 1, 3).half(), torch.full((1, 2, 1, 3), log_variance).half()
    product = product_of_experts(means, log_variances, torch.tensor([[True, True]]))
    assert all(part.isfinite().all() and part.dtype == torch.float32 for part in product)


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


def test_latents_are_a_quarter_as_many_and_lie_on_the_next_stages_grid(network_plan):
    plan = network_plan(num_stages=3, features=(16, 32, 64), last_stride=(1, 2, 2))  # narrow: 8, 16, 32
    features = make(plan)(plan.image(), torch.ones(2, 4, dtype=torch.bool), True)
    stages = [tuple(stage.shape[2:]) for stage in plan.build().encoder(plan.image())]
    means = features.fused.means
    assert [mean.shape[1] for mean in means] == [2, 4, 8]
    assert [tuple(mean.shape[2:]) for mean in means] == [stages[1], stages[2], stages[2]]
    assert [tuple(skip.shape[2:]) for skip in features.fused.skips] == stages
    assert [skip.shape[1] for skip in features.fused.skips] == [16, 32, 64]


def test_evaluation_takes_the_mean_and_training_draws(small):
    network, image = make(small), small.image()
    mask = torch.tensor([[True, False, True, True], [True, True, False, False]])
    expanded = []
    network.expansions[0].register_forward_hook(lambda module, args, output: expanded.append(args[0]))
    with torch.no_grad():
        first, second = (network.eval()(image, mask, True) for _ in range(2))
        drawn = network.train()(image, mask, True)
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(expanded[0], first.fused.means[0])
    assert not torch.equal(drawn.logits, first.logits)
    # the noise in units of the product's own spread is standard normal
    noise = (expanded[2] - drawn.fused.means[0]) / (drawn.fused.log_variances[0] / 2).exp()
    assert abs(noise.mean().item()) < 4 / math.sqrt(noise.numel())
    assert noise.std().item() == pytest.approx(1, abs=4 / math.sqrt(2 * noise.numel()))


def test_variances_are_limited_before_the_product(small):
    network = make(small)
    with torch.no_grad():
        for reduction in itertools.chain.from_iterable(network.reductions):
            reduction.bias.fill_(1e6)
        features = network(small.image(1), torch.ones(1, 4, dtype=torch.bool), True)
    assert all(stage.isfinite().all() for stage in features.fused.log_variances)
    assert features.logits.isfinite().all()


@pytest.mark.parametrize("anything", [100.0, float("nan")])
def test_what_an_absent_image_holds_has_no_influence(small, anything):
    network, image = make(small).eval(), small.image(1)
    changed = image.clone()
    changed[:, 1] = anything
    mask = torch.tensor([[True, False, True, True]])
    network.present = (0, 2, 3)
    with torch.no_grad():
        expected = network(image)
        assert torch.equal(network(changed), expected)
        assert torch.equal(network(changed, mask), network(image, mask))
        torch.testing.assert_close(network(image, mask), expected)


@pytest.mark.parametrize("deep_supervision", [False, True])
def test_without_attention_the_decoder_is_the_plans_own(small, monkeypatch, deep_supervision):
    network = make(small, deep_supervision).eval()
    with torch.no_grad():
        skips = list(small.build().encoder(small.image()))
        for attend in network.attentive_skips:
            monkeypatch.setattr(attend, "forward", lambda feature, skip: torch.cat((feature, skip), dim=1))
        found, expected = network.decode(skips, [], torch.ones(2, 4, dtype=torch.bool)), network.decoder(skips)
    assert len(found) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_every_subset_gives_other_logits(small):
    network, image = make(small).eval(), small.image(1)
    with torch.no_grad():
        logits = [network(image, torch.tensor([subset])) for subset in SUBSETS]
    assert all(scale.isfinite().all() for scale in logits)
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(logits, 2))


def test_two_subsets_of_an_image_in_one_pass_are_those_of_two(small):
    network, image = make(small).eval(), small.image()
    masks = (
        torch.tensor([[True] * 4, [True, True, False, True]]),
        torch.tensor([[False, True] * 2, [True] + 3 * [False]]),
    )
    with torch.no_grad():
        both = network(image, torch.cat(masks))
        each = [network(image, mask) for mask in masks]
    torch.testing.assert_close(both, torch.cat(each))


def test_gradients_reach_the_encoders_of_what_is_there_alone(small):
    network = make(small)
    network(small.image(1), torch.tensor([[False, True, True, False]])).sum().backward()
    for channel, reached in enumerate((False, True, True, False)):
        for part in (network.encoders[channel], network.reductions[channel]):
            gradients = [parameter.grad for parameter in part.parameters()]
            assert all(gradient is not None for gradient in gradients)  # DDP: every weight is used
            assert any(gradient.any() for gradient in gradients) is reached


def test_every_weight_is_used_with_deep_supervision(plan):
    network = make(plan, deep_supervision=True)
    mask = torch.zeros(2, plan.channels, dtype=torch.bool)
    mask[:, 0] = True
    sum(scale.sum() for scale in network(plan.image(), mask)).backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


def test_deep_supervision_does_not_change_the_state_dict(small):
    on, off = make(small, True).eval(), make(small).eval()
    off.load_state_dict(on.state_dict())
    image = small.image(1)
    with torch.no_grad():
        assert torch.equal(on(image)[0], off(image))
    assert not [key for key in on.state_dict() if "decoder.encoder" in key]


def test_autocast_changes_little(small):
    network, image = make(small).eval(), small.image(1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = network(image).float()
    with torch.no_grad():
        full = network(image)
    assert (half - full).abs().max() < 0.1 * full.abs().max()


@pytest.mark.slow
def test_it_is_one_graph_and_subsets_do_not_compile_again(small):
    torch._dynamo.reset()
    counter = CompileCounter()
    network, image = make(small, True), small.image()
    traced = torch.compile(network, backend=counter, fullgraph=True)
    for subset in SUBSETS[:4]:
        traced(image, torch.tensor([[True] * 4] * 2 + [subset] * 2), True).logits[0].sum().backward()
    assert counter.frame_count == 1
    torch._dynamo.reset()


@pytest.mark.slow
def test_prediction_can_be_exported(small):
    network, image = make(small).eval(), small.image(1)
    network.present = (1, 3)
    exported = torch.export.export(network, (image,)).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(image), network(image))


# --- Attention --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("grid", "kernel"), [((16, 9), (7, 7)), ((6, 1), (5, 1)), ((8, 4, 2), (7, 3, 1))])
def test_kernels_are_no_longer_than_the_grid(grid, kernel):
    conv_op = nn.Conv3d if len(grid) == 3 else nn.Conv2d
    module = RegionAttentiveSkip(conv_op, grid)
    assert module.attend_feature.widen.kernel_size == module.attend_skip.widen.kernel_size == kernel
    assert module(torch.randn(2, 3, *grid), torch.randn(2, 3, *grid)).shape == (2, 6, *grid)


def test_attention_is_of_the_maximum_and_the_mean_over_channels():
    module = RegionAttentiveSkip(nn.Conv2d, (1, 1))
    for attention in (module.attend_feature, module.attend_skip):  # four copies of a quarter of each, a quarter of all
        nn.init.constant_(attention.widen.weight, 0.25)
        nn.init.constant_(attention.merge.weight, 0.25)
    feature, skip = torch.tensor([1.0, -3.0, 5.0, 1.0]).reshape(2, 1, 2, 1, 1)
    # d: maximum 1, mean -1; e: maximum 5, mean 3
    of_feature = 1 / (1 + math.exp(-(1 - 1) / 4))
    of_skip = 1 / (1 + math.exp(-(1 - 1 + 5 + 3) / 4))
    expected = [1 + of_feature, -3 * (1 + of_feature), 5 * (1 + of_skip), 1 + of_skip]
    assert module(feature, skip).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("conv_op", "kernel"), [(nn.Conv2d, (7, 3)), (nn.Conv3d, (3, 7, 1))])
def test_attention_is_its_two_convolutions_one_after_the_other(conv_op, kernel):
    attention = AttentionMap(conv_op, 4, kernel).double()
    pooled = torch.randn(2, 4, *(9, 8, 5)[: len(kernel)], dtype=torch.float64)
    expected = attention.merge(attention.widen(pooled)).sigmoid()
    torch.testing.assert_close(attention(pooled), expected)
    parameters = tuple(attention.parameters())
    for found, wanted in zip(
        torch.autograd.grad(attention(pooled).square().sum(), parameters),
        torch.autograd.grad(expected.square().sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted)


# --- What trains beside the network -----------------------------------------------------------------------------------


def test_images_are_rebuilt_with_a_gradient_for_the_first_set_alone(plan):
    network = make(plan)
    decoders = ImageDecoders(plan.builder(), plan.channels, network.stage_features)
    features = network(plan.image(), torch.ones(2, plan.channels, dtype=torch.bool), True)
    learning, judging = decoders(features.fused.skips, [skip.detach() for skip in features.fused.skips])
    assert learning.shape == judging.shape == (2, plan.channels, *plan.patch_size)
    assert torch.equal(learning, judging)
    assert not judging.requires_grad
    learning.square().sum().backward()
    assert not [name for name, parameter in decoders.named_parameters() if parameter.grad is None]
    assert len({parameter.data_ptr() for parameter in decoders.parameters()}) == len(list(decoders.parameters()))


def test_scores_are_of_places(plan):
    encoder = plan.build().encoder
    widths = [2 * features for features in encoder.output_channels]
    discriminator = ImageDiscriminator(encoder, widths, 5)
    assert discriminator.layers[-1].in_channels == widths[:4][-1]
    image = torch.randn(2, 5, *plan.patch_size, requires_grad=True)
    scores = discriminator(image)
    stages = encoder(plan.image())
    assert scores.shape == (2, 1, *stages[min(4, len(stages)) - 1].shape[2:])
    scores.sum().backward()
    assert image.grad.any()
    assert not [name for name, parameter in discriminator.named_parameters() if parameter.grad is None]


def test_confidence_of_nested_regions_is_that_of_the_last_one_found():
    # whole, core, enhancing at four voxels: none; whole alone; core painted over whole; enhancing over all
    probs = torch.tensor([[0.4, 0.9, 0.9, 0.9], [0.4, 0.4, 0.6, 0.7], [0.4, 0.1, 0.5, 0.8]])[None]
    assert foreground_confidence(probs, regions=True).flatten().tolist() == pytest.approx([0, 0.9, 0.6, 0.8])


def test_confidence_of_labels_is_that_of_the_foreground_decision():
    probs = torch.tensor([[0.5, 0.2, 0.3], [0.2, 0.7, 0.3], [0.3, 0.1, 0.4]])[None]
    assert foreground_confidence(probs, regions=False).flatten().tolist() == pytest.approx([0, 0.7, 0.4])


@pytest.mark.parametrize("regions", [False, True], ids=["labels", "regions"])
def test_where_labels_are_ignored_images_are_judged_alone(regions):
    logits, images = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])[None], torch.full((1, 1, 2), 3.0)
    judged = judged_image(logits, images, regions, valid=torch.tensor([[[True, False]]]))
    assert judged[0, :, 1].tolist() == [0, 0, 3]
    assert torch.equal(judged[..., 0], judged_image(logits, images, regions)[..., 0])


@pytest.mark.parametrize("regions", [False, True], ids=["labels", "regions"])
def test_rebuilt_images_are_weighted_without_a_gradient_through_the_weights(regions):
    logits = torch.tensor([[-9.0, -9.0], [2.0, -2.0]])[None].requires_grad_()
    images = torch.tensor([[3.0, 3.0]])[None].requires_grad_()
    judged = judged_image(logits, images, regions)
    probs = logits.sigmoid() if regions else logits.softmax(1)
    torch.testing.assert_close(judged[:, :2], probs)
    # the second channel decides for foreground at the first voxel; at the second regions are below one half
    weight = 1 + probs[0, 1].detach() * torch.tensor([1.0, 0.0 if regions else 1.0])
    torch.testing.assert_close(judged[0, 2], 3 * weight)
    of_logits, of_images = torch.autograd.grad(judged[:, 2:].sum(), (logits, images), allow_unused=True)
    assert of_logits is None or not of_logits.any()
    torch.testing.assert_close(of_images.flatten(), weight)
