"""The style of MST-KD and that of SMU-Net: which stages it is made of, on which grid."""

import pytest
import torch
from torch.nn import functional

from nnunetv2_mstkd.architectures import MSTKDNetwork
from nnunetv2_mstkd.architectures.style_fusion import MST_KD_STAGES, SMU_NET_STAGES, StyleContentFusion

KINDS = pytest.mark.parametrize("stages", [MST_KD_STAGES, SMU_NET_STAGES], ids=["mst-kd", "smu-net"])
PLANS = {
    "2d": {"axes": 2, "num_stages": 4},
    "3d": {"num_stages": 3},
    "anisotropic": {"num_stages": 4, "last_stride": (1, 2, 2)},
    "odd-grid": {"num_stages": 4, "patch": (24, 40, 12)},  # grids of D-1 and D: (6, 10, 3) and (3, 5, 2)
}


@pytest.fixture(params=PLANS, ids=str)
def encoder_and_stages(request, network_plan):
    plan = network_plan(**PLANS[request.param])
    encoder = plan.build().encoder
    with torch.no_grad():
        return encoder, encoder(plan.image())


def pooled(feature, strides):
    """Take the maximum stride by stride, over windows that may be cut off at the end."""
    for stride in strides:
        pool = functional.max_pool3d if len(stride) == 3 else functional.max_pool2d
        feature = pool(feature, tuple(stride), ceil_mode=True)
    return feature


def projected(layer, *sources):
    """Apply the weights of a 1x1 convolution to features side by side."""
    stacked = torch.cat(sources, dim=1)
    mixed = torch.einsum("bi...,oi->bo...", stacked, layer.weight.flatten(1))
    return mixed + layer.bias.reshape(1, -1, *(1,) * (stacked.ndim - 2))


@torch.inference_mode()
def test_mst_kds_style_is_of_the_last_two_stages_and_the_transformed_feature(encoder_and_stages):
    encoder, encoded = encoder_and_stages
    fusion, transformed = StyleContentFusion(encoder).eval(), torch.randn_like(encoded[-1])
    _, style, content = fusion(encoded, transformed)
    above = pooled(encoded[-2], encoder.strides[-1:])
    torch.testing.assert_close(style, projected(fusion.style_projection, above, encoded[-1], transformed))
    assert torch.equal(content, fusion.content_block(transformed))


@torch.inference_mode()
def test_smu_nets_style_is_of_the_last_three_stages(encoder_and_stages):
    encoder, encoded = encoder_and_stages
    fusion = StyleContentFusion(encoder, SMU_NET_STAGES).eval()
    bottleneck, style, content = fusion(encoded, encoded[-1])
    sources = (pooled(encoded[-3], encoder.strides[-2:]), pooled(encoded[-2], encoder.strides[-1:]), encoded[-1])
    torch.testing.assert_close(style, projected(fusion.stage_projection, *sources))
    assert torch.equal(bottleneck, fusion.fusion(torch.cat((style, content), dim=1)))


@torch.inference_mode()
def test_two_stages_are_all_that_smu_nets_style_can_be_of(network_plan):
    plan = network_plan(num_stages=2)
    encoder = plan.build().encoder
    encoded = encoder(plan.image())
    fusion = StyleContentFusion(encoder, SMU_NET_STAGES).eval()
    _, style, _ = fusion(encoded, encoded[-1])
    above = pooled(encoded[-2], encoder.strides[-1:])
    torch.testing.assert_close(style, projected(fusion.stage_projection, above, encoded[-1]))


def test_weights_of_one_kind_do_not_load_into_the_other_where_all_stages_are_as_wide(network_plan):
    plan = network_plan(num_stages=3, features=(8, 8, 8))
    one, other = (StyleContentFusion(plan.build().encoder, stages) for stages in (MST_KD_STAGES, SMU_NET_STAGES))
    shapes = [{tuple(weight.shape) for weight in fusion.parameters()} for fusion in (one, other)]
    assert shapes[0] == shapes[1]
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(one.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        one.load_state_dict(other.state_dict())


@KINDS
@torch.inference_mode()
def test_a_network_pools_other_patch_sizes_than_planned(network_plan, stages):
    plan = network_plan(axes=2, num_stages=4)
    network = MSTKDNetwork(plan.build(), plan.patch_size, style_stages=stages).eval()
    larger = plan.but(patch=(48, 16))
    assert network(larger.image()).shape[2:] == larger.patch_size


@KINDS
def test_every_weight_is_used(network_plan, stages):
    plan = network_plan(axes=2, num_stages=4)
    network = MSTKDNetwork(plan.build(), plan.patch_size, use_transformer=False, style_stages=stages)
    network(plan.image()).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.fusion.parameters())
