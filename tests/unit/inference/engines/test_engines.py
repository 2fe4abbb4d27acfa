"""Engines on tiny networks: all of them decide as torch in float32 does."""

import gc
import sys
import weakref

import pytest
import torch

from nnunetv2_mstkd.architectures.mstkd_network import MSTKDNetwork
from nnunetv2_mstkd.architectures.style_fusion import SMU_NET_STAGES
from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.errors import MissingExtraError
from nnunetv2_mstkd.inference.engines import openvino_engine
from nnunetv2_mstkd.inference.engines.names import OPENVINO_BFLOAT16, OPENVINO_FLOAT32, TORCH_BFLOAT16
from nnunetv2_mstkd.inference.engines.openvino_engine import OpenVINO, compile_network
from nnunetv2_mstkd.inference.engines.torch_engine import TorchBFloat16, TorchFloat32, channels_last, with_group_norm

pytestmark = pytest.mark.slow  # OpenVINO compiles for seconds, however small a network is

# a plan, and options of the student that is built on its network; None: that network itself
NETWORKS = {
    "3d": ({"axes": 3}, None),
    "2d": ({"axes": 2, "patch": (32, 48)}, None),
    "residual": ({"axes": 3, "residual": True}, None),
    "student-3d": ({"axes": 3}, {}),
    "student-2d": ({"axes": 2, "patch": (32, 48)}, {}),
    "student-of-smu-net": ({"axes": 3}, {"use_transformer": False, "style_stages": SMU_NET_STAGES}),
}


@pytest.fixture(params=NETWORKS)
def kind(request):
    return NETWORKS[request.param]


@pytest.fixture
def plan(kind, network_plan):
    return network_plan(**kind[0])


@pytest.fixture
def network(kind, plan):
    torch.manual_seed(0)
    options = kind[1]
    if options is None:
        return plan.build().eval()
    student = MSTKDNetwork(plan.build(), plan.patch_size, **options)
    if student.transformer is not None:
        torch.nn.init.normal_(student.transformer.positions)  # as after a training, not zeros
    return student.eval()


def make_engine(name, network, shape):
    if name == TORCH_BFLOAT16:
        return TorchBFloat16(network)
    pytest.importorskip("openvino")
    compiled = compile_network(network, (1, *shape), name)
    return OpenVINO(compiled, name, lambda: compiled)


# bfloat16 has eight significant bits; logits of these networks are about 1
@pytest.mark.parametrize(
    ("name", "tolerance"), [(OPENVINO_FLOAT32, 1e-4), (OPENVINO_BFLOAT16, 0.3), (TORCH_BFLOAT16, 0.3)]
)
@torch.inference_mode()
def test_every_engine_gives_the_networks_logits(network, plan, name, tolerance):
    tiles = plan.image(batch=2)
    expected = network(tiles)
    engine = make_engine(name, network, tiles.shape[1:])
    logits = engine(tiles)
    assert engine.name == name
    assert (logits.dtype, logits.shape, logits.is_contiguous()) == (torch.float32, expected.shape, True)
    torch.testing.assert_close(logits, expected, atol=tolerance, rtol=0)
    assert torch.equal(network(tiles), expected)  # the network itself is as it was


@torch.inference_mode()
def test_torch_in_float32_is_the_network_itself(network, plan):
    tiles = plan.image()
    assert torch.equal(TorchFloat32(network)(tiles), network(tiles))


@pytest.mark.parametrize("name", [OPENVINO_FLOAT32, TORCH_BFLOAT16])
@torch.inference_mode()
def test_what_an_engine_returned_is_the_callers_to_change(network_plan, name):
    plan = network_plan()
    network = plan.build().eval()
    tiles = plan.image(batch=1)
    engine = make_engine(name, network, tiles.shape[1:])
    first = engine(tiles)
    kept = first.clone()
    engine(tiles + 1)
    assert torch.equal(first, kept)
    first.fill_(7)
    assert torch.equal(engine(tiles), kept)


@torch.inference_mode()
def test_a_compiled_network_does_not_depend_on_weights_that_are_loaded_later(network_plan):
    plan = network_plan()
    network = plan.build().eval()
    tiles = plan.image(batch=1)
    engine = make_engine(OPENVINO_FLOAT32, network, tiles.shape[1:])
    expected = network(tiles)
    for parameter in network.parameters():
        parameter.zero_()
    torch.testing.assert_close(engine(tiles), expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_group_norm_with_a_channel_a_group_is_instance_norm(network, plan):
    tiles = plan.image()
    expected = network(tiles)
    other = channels_last(with_group_norm(network))
    assert not [m for m in other.modules() if "InstanceNorm" in type(m).__name__]
    torch.testing.assert_close(other(tiles), expected, atol=1e-4, rtol=0)


def test_without_openvino_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"nnunetv2_mstkd\[openvino\]"):
        openvino_engine.import_openvino()


def test_a_conversion_reports_nothing_to_the_vendor(network_plan, monkeypatch):
    plan = network_plan()
    network = plan.build().eval()
    telemetry = pytest.importorskip("openvino_telemetry")
    sent = []
    monkeypatch.setattr(telemetry.Telemetry, "__init__", lambda *args, **kwargs: sent.append(args))
    compile_network(network, (1, *plan.image().shape[1:]), OPENVINO_FLOAT32)
    assert sent == []


@torch.inference_mode()
def test_what_was_compiled_is_read_again_once_for_several_tiles(network_plan):
    pytest.importorskip("openvino")
    plan = network_plan()
    network, read = plan.build().eval(), []
    compiled = compile_network(network, (1, *plan.image().shape[1:]), OPENVINO_FLOAT32)
    engine = OpenVINO(compiled, OPENVINO_FLOAT32, lambda: read.append(1) or compiled)
    engine(plan.image(1))
    assert read == []
    for _ in range(2):
        engine(plan.image(2))
    assert len(read) == min(1, available_cores() - 1)  # one core computes one after another


@torch.inference_mode()
def test_openvino_holds_on_to_neither_what_was_compiled_nor_the_last_logits(network_plan, monkeypatch):
    plan = network_plan()
    network = plan.build().eval()
    engine = make_engine(OPENVINO_FLOAT32, network, plan.image().shape[1:])
    logits, original = [], torch.from_numpy

    def from_numpy(array):
        made = original(array)
        logits.append(weakref.ref(made))
        return made

    monkeypatch.setattr(torch, "from_numpy", from_numpy)
    for batch in (1, 3):
        engine(plan.image(batch))
    gc.collect()
    assert [reference() for reference in logits] == [None] * 4
    assert not [name for name, value in vars(engine).items() if isinstance(value, bytes)]
