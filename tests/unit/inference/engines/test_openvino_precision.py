"""The end of a network in float32, in OpenVINO's graph of bfloat16."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytestmark = pytest.mark.slow  # OpenVINO converts for seconds, however small a network is
openvino = pytest.importorskip("openvino")

from nnunetv2_mstkd.inference.engines.hardware import bfloat16_units  # noqa: E402 (after the extra is known to be there)
from nnunetv2_mstkd.inference.engines.openvino_conversion import convert_network  # noqa: E402
from nnunetv2_mstkd.inference.engines.openvino_precision import keep_end_in_float32  # noqa: E402

in_bfloat16 = pytest.mark.skipif(not bfloat16_units(), reason="this CPU computes no bfloat16")


def compiled(network: nn.Module, image: Tensor, precision: str, *, keep_end: bool = True) -> Any:
    """Return a network as OpenVINO runs it."""
    model = convert_network(network.eval(), tuple(image.shape))
    if keep_end:
        model = keep_end_in_float32(model)
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})


def answer(run: Any, image: Tensor) -> Tensor:
    """Return the logits."""
    return torch.from_numpy(run(image.numpy())[0])


def types(run: Any, kind: str) -> list[str]:
    """Return the types that the operations of a kind give, in their order."""
    executed = [node for node in run.get_runtime_model().get_ordered_ops() if node.get_output_size()]
    of_kind = [node for node in executed if node.get_rt_info()["layerType"].astype(str) == kind]
    return [node.get_output_element_type(0).get_type_name() for node in of_kind]


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def case(request, network_plan):
    """A plan's network, with norms as after a training, and an image (1, C, *S)."""
    plan = network_plan(axes=request.param, num_stages=3)
    network = plan.build().eval()
    for norm in (module for module in network.modules() if isinstance(module, nn.InstanceNorm2d | nn.InstanceNorm3d)):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return network, plan.image(1)


@torch.inference_mode()
def test_the_same_function(case):
    network, image = case
    found = answer(compiled(network, image, "f32"), image)
    torch.testing.assert_close(found, network(image), atol=1e-4, rtol=1e-4)


@in_bfloat16
def test_the_end_alone_is_in_float32(case):
    run = compiled(*case, "bf16")
    *others, norm = types(run, "MVN")
    assert norm == "f32"
    assert set(others) == {"bf16"}
    *others, before, last = types(run, "Convolution")
    assert before == last == "f32"
    assert set(others) == {"bf16"}


@in_bfloat16
@torch.no_grad()
def test_an_end_in_float32_errs_less():
    # Nothing but an end, whose weights and image bfloat16 holds as they are: all that it rounds is between its layers.
    network = nn.Sequential(
        nn.Conv3d(4, 16, 3, padding=1), nn.InstanceNorm3d(16, affine=True), nn.LeakyReLU(), nn.Conv3d(16, 3, 1)
    ).eval()
    image = torch.randn(1, 4, 16, 16, 16).bfloat16().float()
    for parameter in network.parameters():
        parameter.copy_(parameter.bfloat16())
    expected = network(image)
    errors = [
        float((answer(compiled(network, image, "bf16", keep_end=keep_end), image) - expected).square().mean().sqrt())
        for keep_end in (True, False)
    ]
    assert errors[0] < 0.1 * errors[1]


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv3d(2, 4, 3), nn.InstanceNorm3d(4)),  # no convolution at the end
        nn.Sequential(nn.Conv3d(2, 4, 3), nn.Sigmoid()),  # nothing that is known
        nn.Sequential(nn.Conv3d(2, 4, 3), nn.Sigmoid(), nn.Conv3d(4, 3, 1)),  # no norm before the last one
        nn.Conv3d(2, 3, 1),  # nothing before it
    ],
)
@torch.inference_mode()
def test_other_ends_give_the_same(network):
    image = torch.randn(1, 2, 8, 9, 10)
    found = answer(compiled(network, image, "f32"), image)
    torch.testing.assert_close(found, network(image), atol=1e-4, rtol=1e-4)
