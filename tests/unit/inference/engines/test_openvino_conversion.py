"""Networks as OpenVINO's graphs: instance norms are one operation each."""

from collections import Counter

import pytest
import torch
from torch import nn

pytestmark = pytest.mark.slow  # OpenVINO converts for seconds, however small a network is
pytest.importorskip("openvino")

from nnunetv2_mstkd.inference.engines.names import OPENVINO_FLOAT32  # noqa: E402 (after the extra is known to be there)
from nnunetv2_mstkd.inference.engines.openvino_conversion import convert_network  # noqa: E402
from nnunetv2_mstkd.inference.engines.openvino_engine import OpenVINO, compile_network  # noqa: E402


def operations(network: nn.Module, image: torch.Tensor) -> Counter:
    """Count the operations of a converted network by their type."""
    model = convert_network(network.eval(), tuple(image.shape))
    return Counter(node.get_type_name() for node in model.get_ordered_ops())


@torch.inference_mode()
def answer(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Return what the compiled network says."""
    return engine_of(network.eval(), image)(image)


def engine_of(network: nn.Module, image: torch.Tensor) -> OpenVINO:
    """Return what runs a network on images of that shape, (1, C, *S)."""
    compiled = compile_network(network, tuple(image.shape), OPENVINO_FLOAT32)
    return OpenVINO(compiled, OPENVINO_FLOAT32, lambda: compiled)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_plans_norms_are_one_operation_each(network_plan, axes):
    plan = network_plan(axes=axes, num_stages=3)
    network, image = plan.build(), plan.image(1)
    for norm in (module for module in network.modules() if isinstance(module, nn.InstanceNorm2d | nn.InstanceNorm3d)):
        nn.init.normal_(norm.weight)  # as after a training, not one and zero
        nn.init.normal_(norm.bias)
    found = operations(network, image)
    norms = sum(isinstance(module, nn.InstanceNorm2d | nn.InstanceNorm3d) for module in network.modules())
    assert found["MVN"] == norms > 0
    assert not found["ReduceMean"]
    assert not found["BatchNormInference"]
    torch.testing.assert_close(answer(network, image), network(image), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("options", [{"affine": False}, {"affine": True, "track_running_stats": True}])
def test_other_norms_are_what_openvino_makes_of_them(options):
    network, image = nn.Sequential(nn.Conv3d(2, 4, 3), nn.InstanceNorm3d(4, **options)), torch.randn(1, 2, 8, 9, 10)
    network(image + 1)  # running statistics that are not those of the image
    network.eval()
    assert not operations(network, image)["MVN"]
    torch.testing.assert_close(answer(network, image), network(image), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_several_tiles_are_the_same_as_each_by_itself(network_plan):
    plan = network_plan(num_stages=3)
    network, tiles = plan.build().eval(), plan.image(batch=5)
    engine = engine_of(network, tiles[:1])
    torch.testing.assert_close(engine(tiles[:1]), network(tiles[:1]), atol=1e-4, rtol=1e-4)
    for given in (tiles, tiles.transpose(0, 1).contiguous().transpose(0, 1)):  # the other is not contiguous
        torch.testing.assert_close(engine(given), network(tiles), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(engine(tiles[:1]), network(tiles[:1]), atol=1e-4, rtol=1e-4)
