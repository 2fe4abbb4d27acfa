"""Optimisers by name, and a step that clips each network by itself."""

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.distillation.settings.subset import OPTIMIZERS
from nnunetv2_mstkd.trainers.optimizer import build_optimizer, optimize


def networks():
    return nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)


def test_sgd_is_nnunets():
    first, second = networks()
    groups = [{"params": first.parameters()}, {"params": second.parameters()}]
    optimizer = build_optimizer("SGD", groups, 1e-2, 3e-5)
    for group in optimizer.param_groups:
        # nnUNetTrainer.configure_optimizers
        assert (group["lr"], group["weight_decay"], group["momentum"], group["nesterov"]) == (1e-2, 3e-5, 0.99, True)


@pytest.mark.parametrize(
    ("name", "kind", "amsgrad"),
    [
        ("Adam", torch.optim.Adam, False),
        ("AdamW", torch.optim.AdamW, False),
        ("AdamAMSGrad", torch.optim.Adam, True),
        ("AdamWAMSGrad", torch.optim.AdamW, True),
    ],
)
def test_others_are_torchs(name, kind, amsgrad):
    optimizer = build_optimizer(name, [{"params": networks()[0].parameters()}], 1e-4, 1e-5)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"], group["amsgrad"]) == (1e-4, 1e-5, amsgrad)
    assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)  # torch's own, and those of mmFormer and M2FTrans


@pytest.mark.parametrize("name", ["AdamAMSGrad", "AdamWAMSGrad"])
def test_amsgrad_remembers_the_largest_second_moment(name):
    """A large gradient, then a small one: the second step is divided by the root of the largest second moment."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer(name, [{"params": [weight]}], 1.0, 0.0)
    for gradient in (100.0, 0.0):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
    # first step: -1. Second: m = 0.9 * 10 / (1 - 0.9^2), v stays 0.001 * 100^2 = 10 and is divided by 1 - 0.999^2
    second = (9 / 0.19) / (10 / (1 - 0.999**2)) ** 0.5
    assert weight.item() == pytest.approx(-1 - second, rel=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_choice_of_the_setting_is_built(name):
    assert build_optimizer(name, [{"params": networks()[0].parameters()}], 1e-4, 0.0).param_groups


def test_each_network_is_clipped_by_itself():
    first, second = networks()
    optimizer = build_optimizer("SGD", [{"params": first.parameters()}, {"params": second.parameters()}], 0.0, 0.0)
    image = torch.tensor([[3.0, 4.0]])  # the gradient of a weight is the input: norm 5
    optimize(first(image).sum() + 100 * second(image).sum(), optimizer, [first, second], None)
    assert first.weight.grad.norm().item() == pytest.approx(5.0)  # below 12: untouched
    assert second.weight.grad.norm().item() == pytest.approx(12.0, rel=1e-4)  # 500, clipped


@pytest.mark.parametrize("scale", [2.0**16, 1.0])
def test_a_scaler_changes_nothing_but_the_range(scale):
    """GradScaler on the CPU, in float32: clipping must see the unscaled gradient."""
    steps = []
    for scaler in (None, torch.GradScaler("cpu", init_scale=scale)):
        torch.manual_seed(0)
        network, _ = networks()
        optimizer = build_optimizer("SGD", [{"params": network.parameters()}], 0.1, 0.0)
        optimize(100 * network(torch.tensor([[3.0, 4.0]])).sum(), optimizer, [network], scaler)
        steps.append(network.weight.detach().clone())
    torch.testing.assert_close(steps[0], steps[1])


def test_a_scaler_skips_an_overflow_and_lowers_its_scale():
    network, _ = networks()
    before = network.weight.detach().clone()
    optimizer = build_optimizer("SGD", [{"params": network.parameters()}], 0.1, 0.0)
    scaler = torch.GradScaler("cpu", init_scale=4.0)
    optimize(network(torch.tensor([[float("inf"), 1.0]])).sum(), optimizer, [network], scaler)
    assert torch.equal(network.weight, before)
    assert scaler.get_scale() == 2.0
