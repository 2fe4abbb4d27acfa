"""What mmFormer and M2FTrans both promise, on every plan."""

import itertools

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch.utils.flop_counter import FlopCounterMode

from nnunetv2_mstkd.architectures.multi_encoder.m2ftrans import M2FTransNetwork
from nnunetv2_mstkd.architectures.multi_encoder.mmformer import MMFormerNetwork
from nnunetv2_mstkd.architectures.multi_encoder.separate_decoder import SeparateDecoder

NETWORKS = {"mmformer": MMFormerNetwork, "m2ftrans": M2FTransNetwork}
PLANS = {
    "2d-plain": {"axes": 2, "channels": 2, "classes": 5},  # modalities and classes are two numbers
    "2d-residual": {"axes": 2, "residual": True, "channels": 6, "classes": 2},
    "3d-plain": {"num_stages": 3},
    "3d-residual": {"residual": True, "num_stages": 3},
    "last-1x2x2": {"last_stride": (1, 2, 2)},
    "odd-grid": {"num_stages": 3, "patch": (12, 20, 4)},
    "two-stages": {"num_stages": 2, "channels": 3},
}
SUBSETS = [subset for subset in itertools.product((False, True), repeat=4) if any(subset)]


@pytest.fixture(params=PLANS, ids=str)
def plan(request, network_plan):
    return network_plan(**PLANS[request.param])


@pytest.fixture(params=NETWORKS, ids=str)
def network_class(request):
    return NETWORKS[request.param]


@pytest.fixture
def small(network_plan):
    """A plan of three stages, for what does not depend on it."""
    return network_plan(num_stages=3)


def make(network_class, plan, deep_supervision=False):
    return network_class(plan.builder(deep_supervision), plan.channels, plan.classes, plan.patch_size)


def first_alone_and_all(plan):
    mask = torch.ones(2, plan.channels, dtype=torch.bool)
    mask[0, 1:] = False
    return mask


def test_shapes_are_the_plans_and_every_weight_has_a_gradient(network_class, plan):
    network = make(network_class, plan, deep_supervision=True)
    separate = SeparateDecoder(plan.builder(), plan.channels, plan.classes)
    image = plan.image()
    features = network(image, first_alone_and_all(plan), True)
    expected = plan.build(True)(image)
    assert [scale.shape for scale in features.logits] == [scale.shape for scale in expected]
    each = separate(features.encoded)
    assert each.shape == (2, plan.channels, plan.classes, *plan.patch_size)
    sum(scale.square().sum() for scale in (*features.logits, each)).backward()
    for module in (network, separate):
        assert not [name for name, p in module.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]


def test_deep_supervision_changes_neither_state_dict_nor_logits(network_class, small):
    on, off = make(network_class, small, True), make(network_class, small)
    off.load_state_dict(on.state_dict(), strict=True)
    image = small.image()
    with torch.no_grad():
        assert torch.equal(on.eval()(image)[0], off.eval()(image))


@pytest.mark.parametrize("axes", [2, 3])
def test_what_an_absent_channel_holds_has_no_influence(network_class, network_plan, axes):
    plan = network_plan(num_stages=3, axes=axes)
    network = make(network_class, plan).eval()
    for subset in SUBSETS:
        mask = torch.tensor([subset])
        image = plan.image(1)
        other = image.clone()
        other[~mask] = torch.nan
        network.present = tuple(range(4))
        with torch.no_grad():
            told = network(image, mask)
            assert torch.equal(told, network(other, mask))
            network.present = tuple(channel for channel in range(4) if subset[channel])
            assert torch.equal(told, network(other))
        assert torch.isfinite(told).all()


def test_an_absent_channel_has_no_gradient_through_the_logits(network_class, small):
    network = make(network_class, small)
    network(small.image(), torch.tensor([[True, False, True, False]] * 2)).square().sum().backward()
    for channel, encoder in enumerate(network.encoders):
        largest = max(float(parameter.grad.abs().max()) for parameter in encoder.parameters())
        assert (largest > 0) == (channel in (0, 2))


def test_each_sample_has_a_subset_of_its_own(network_class, small):
    network = make(network_class, small).eval().double()
    image = small.image(3).double()
    mask = torch.tensor([[True, False, False, True], [False, True, False, False], [True, True, True, True]])
    with torch.no_grad():
        together = network(image, mask)
        for sample in range(3):
            alone = network(image[[sample]], mask[[sample]])
            torch.testing.assert_close(together[[sample]], alone)
        twice = network(image, torch.cat((mask, mask.flip(0))))
        torch.testing.assert_close(twice[:3], together)
        torch.testing.assert_close(twice[3:], network(image, mask.flip(0)))


def test_prediction_is_not_random_and_training_is(network_class, small):
    network = make(network_class, small)
    image = small.image()
    with torch.no_grad():
        assert not torch.equal(network(image), network(image))
        network.eval()
        assert torch.equal(network(image), network(image))


@pytest.mark.parametrize("factor", [(2, 1, 1), (1, 3, 2)])
def test_another_patch_size_than_planned(network_class, small, factor):
    network = make(network_class, small).eval()
    patch = tuple(n * f for n, f in zip(small.patch_size, factor, strict=True))
    with torch.no_grad():
        logits = network(small.but(patch=patch).image())
    assert logits.shape[2:] == patch
    assert torch.isfinite(logits).all()


def test_many_voxels_are_joined_to_tokens(network_class, network_plan):
    plan = network_plan(axes=2, num_stages=2, patch=(90, 44), channels=2)  # deepest grid 45 x 22: 990
    network = make(network_class, plan).eval()
    tokens = []
    block = network.across if network_class is MMFormerNetwork else network.blocks[0]
    block.register_forward_hook(lambda module, args, output: tokens.append(output[0].shape[1]))
    with torch.no_grad():
        assert network(plan.image(1)).shape[2:] == (90, 44)
    groups = 2 if network_class is MMFormerNetwork else 3  # fusion tokens are a third one
    assert tokens == [groups * 23 * 22]  # every second voxel of the longer axis, rounded up: 506


def test_half_precision_is_close(network_class, small):
    network = make(network_class, small).eval()
    image, mask = small.image(), first_alone_and_all(small)
    with torch.no_grad():
        expected = network(image, mask)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(image, mask)
    assert (found.float() - expected).abs().max() < 0.15 * expected.abs().max()


@pytest.mark.slow
def test_one_graph_serves_all_subsets(network_class, small):
    counter = CompileCounter()
    network = make(network_class, small)
    compiled = torch.compile(network, backend=counter, fullgraph=True)
    image = small.image()
    for subset in SUBSETS[:4]:
        compiled(image, torch.tensor([subset, SUBSETS[-1]]), True)
    assert counter.frame_count == 1


@pytest.mark.slow
def test_prediction_is_exported(network_class, small):
    network = make(network_class, small).eval()
    network.present = (0, 3)
    image = small.image(1)
    program = torch.export.export(network, (image,))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(image), network(image), rtol=1e-4, atol=1e-5)


def test_the_cost_on_the_brats_plan(network_class, network_plan):
    """The bar of the documentation: 1.1 times the plain network, its separate decoder 0.7 times."""
    plan = network_plan(
        num_stages=6, features=(32, 64, 128, 256, 320, 320), last_stride=(2, 2, 1), patch=(128, 160, 112)
    )

    def flops(function, *args):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            result = function(*args)
        return counter.get_total_flops(), result

    with torch.device("meta"):
        image = plan.image(1, "meta")
        plain, _ = flops(plan.build(), image)
        everything = torch.ones(1, 4, dtype=torch.bool)
        ours, features = flops(make(network_class, plan), image, everything, True)
        beside, _ = flops(SeparateDecoder(plan.builder(), 4, 3), features.encoded)
    assert ours <= 1.1 * plain
    assert beside <= 0.71 * plain
