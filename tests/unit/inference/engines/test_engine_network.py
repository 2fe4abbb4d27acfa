"""The module that stands in for the network: background, folds, and one engine at a time."""

import itertools

import pytest
import torch

from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.torch_engine import TorchBFloat16, TorchFloat32
from nnunetv2_mstkd.inference.modality_encoders import has_modality_encoders, see_only, seen_channels, uncompiled
from nnunetv2_mstkd.modalities import Modalities


class CountingEngine(TorchFloat32):
    calls = 0

    def __call__(self, tiles):
        type(self).calls += 1
        return super().__call__(tiles)


@pytest.fixture
def stand_in(network_plan, monkeypatch):
    """A network of two folds, what stands in for it, and the engines that were made."""
    plan = network_plan()
    plain, made = plan.build().eval(), []
    weights = [plain.state_dict(), plan.build().state_dict()]
    weights[0] = {name: value.clone() for name, value in weights[0].items()}
    monkeypatch.setattr(CountingEngine, "calls", 0)

    def make(name, network, fold, tile_shape):
        made.append((name, fold, tuple(tile_shape)))
        return CountingEngine(network)

    return plan, plain, weights, EngineNetwork(plain, weights, "torch-float32", make), made


def mirrored_mean(network, tile):
    """Return what nnU-Net makes of a tile and its seven mirror images, by its own steps."""
    prediction = network(tile)
    axes = [c for n in (1, 2, 3) for c in itertools.combinations((2, 3, 4), n)]
    for flipped in axes:
        prediction += torch.flip(network(torch.flip(tile, flipped)), flipped)
    prediction /= len(axes) + 1
    return prediction


@torch.inference_mode()
def test_background_is_computed_once_and_the_result_is_bit_for_bit_the_plain_one(stand_in):
    plan, plain, _, network, _ = stand_in
    background = torch.zeros(1, plan.channels, *plan.patch_size)
    expected = mirrored_mean(plain, background)
    assert torch.equal(mirrored_mean(network, background), expected)
    assert torch.equal(mirrored_mean(network, background), expected)  # nnU-Net added to the first answer in place
    assert CountingEngine.calls == 1


@torch.inference_mode()
def test_a_single_voxel_is_no_background(stand_in):
    plan, plain, _, network, _ = stand_in
    tile = torch.zeros(1, plan.channels, *plan.patch_size)
    network(tile)
    tile[0, 0, 0, 0, 0] = 1e-20
    assert torch.equal(mirrored_mean(network, tile), mirrored_mean(plain, tile))
    assert CountingEngine.calls == 1 + 8


@torch.inference_mode()
def test_each_fold_has_its_weights_and_its_own_background(stand_in):
    plan, plain, weights, network, made = stand_in
    tile, background = plan.image(batch=1), torch.zeros(1, plan.channels, *plan.patch_size)
    for state in (weights[0], weights[1], weights[1], weights[0]):
        network.load_state_dict(state)
        found = network(tile), network(background)
        plain.load_state_dict(state)
        assert torch.equal(found[0], plain(tile))
        assert torch.equal(found[1], plain(background))
    assert [fold for _, fold, _ in made] == [0, 1, 0]  # the same weights again are no reason for another engine
    assert made[0] == ("torch-float32", 0, tuple(tile.shape[1:]))


@torch.inference_mode()
def test_another_batch_size_has_a_background_of_its_own(stand_in):
    plan, plain, _, network, _ = stand_in
    for batch in (1, 3):
        background = torch.zeros(batch, plan.channels, *plan.patch_size)
        assert torch.equal(network(background), plain(background))


@torch.inference_mode()
def test_of_several_tiles_of_background_one_is_computed(stand_in, monkeypatch):
    plan, _, _, network, _ = stand_in
    computed = []
    run = CountingEngine.__call__
    monkeypatch.setattr(
        CountingEngine, "__call__", lambda engine, tiles: computed.append(len(tiles)) or run(engine, tiles)
    )
    first = network(torch.zeros(8, plan.channels, *plan.patch_size))
    first.fill_(7)  # the caller's own
    assert not (network(torch.zeros(2, plan.channels, *plan.patch_size)) == 7).any()
    assert (len(first), computed) == (8, [1])


@torch.inference_mode()
def test_another_engine_is_taken_from_the_next_tile_on(stand_in):
    plan, _, _, network, made = stand_in
    network(plan.image(batch=1))
    for _ in range(2):  # the second time it is in use
        network.use("openvino-float32")
        network(plan.image(batch=1))
    assert [name for name, _, _ in made] == ["torch-float32", "openvino-float32"]


# --- An encoder for each modality -------------------------------------------------------------------------------------

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))
FIRST, SECOND = MODALITIES.subset("T1,T2"), MODALITIES.subset("FLAIR")


class OfOneSubset(TorchFloat32):
    """An engine that cannot be told, as compiled ones."""

    def see(self, subset):
        return False


@pytest.mark.parametrize("engine", [TorchFloat32, TorchBFloat16, OfOneSubset])
@torch.inference_mode()
def test_another_subset_has_a_background_of_its_own_and_an_engine_where_it_must(multi_encoder, engine):
    plan, network = multi_encoder
    made: list = []

    def make(*arguments):
        made.append(seen_channels(network))
        return engine(network)

    stand_in = EngineNetwork(network, [network.state_dict()], engine.name, make)
    tile, background = plan.image(batch=1), torch.zeros(1, plan.channels, *plan.patch_size)
    for subset in (FIRST, FIRST, SECOND, FIRST):
        stand_in.see(subset)
        found = stand_in(tile), stand_in(background)
        see_only(network, subset)
        assert torch.equal(found[0], engine(network)(tile))
        assert torch.equal(found[1], engine(network)(background))
    # the same subset again is no reason for another one
    expected = [FIRST.channels, SECOND.channels, FIRST.channels] if engine is OfOneSubset else [FIRST.channels]
    assert made == expected


def test_a_network_with_one_encoder_is_told_nothing(stand_in):
    plan, plain, _, network, made = stand_in
    network(plan.image(batch=1))
    network.see(FIRST)
    network(plan.image(batch=1))
    assert len(made) == 1
    assert not has_modality_encoders(plain)
    assert seen_channels(plain) is None
    assert not see_only(plain, FIRST)


def test_a_wrapped_network_is_told_all_the_same(multi_encoder):
    _, network = multi_encoder
    compiled = torch.compile(network)
    assert has_modality_encoders(compiled)
    assert see_only(compiled, SECOND)
    assert network.present == seen_channels(compiled) == (3,)
    assert not see_only(compiled, SECOND)


@torch.inference_mode()
def test_a_network_that_is_told_is_compiled_by_nobody(multi_encoder, stand_in):
    plan, network = multi_encoder
    compilations = []

    def backend(graph, _inputs):
        compilations.append(graph)
        return graph.forward

    torch._dynamo.reset()
    told = uncompiled(torch.compile(network, backend=backend))
    assert isinstance(told, torch._dynamo.OptimizedModule)  # nnU-Net's predictor compiles anything else
    tile = plan.image(batch=1)
    for subset in (FIRST, SECOND):
        see_only(told, subset)
        assert torch.equal(told(tile), network(tile))
    assert compilations == []
    assert uncompiled(stand_in[1]) is stand_in[1]
