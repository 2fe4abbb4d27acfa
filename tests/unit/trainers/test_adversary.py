"""Discriminators by term: each with an optimiser, a schedule and a state of its own."""

import copy

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.trainers.adversary import Adversaries

CPU = torch.device("cpu")


def adversaries(*terms, is_scaled=False):
    return Adversaries({term: nn.Linear(2, 1) for term in terms}, CPU, 0.1, num_epochs=4, is_scaled=is_scaled)


def train(adversary, times=1):
    for _ in range(times):
        adversary.train_step(lambda discriminator: discriminator(torch.ones(3, 2)).square().mean(), torch.enable_grad())


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_step_trains_one_and_no_other():
    both = adversaries("adversarial", "entropy")
    before = {term: copy.deepcopy(each.discriminator) for term, each in both.items()}
    train(both["entropy"])
    assert same(both["adversarial"].discriminator, before["adversarial"])
    assert not same(both["entropy"].discriminator, before["entropy"])


def test_all_follow_nnunets_schedule():
    both = adversaries("adversarial", "entropy")
    both.start_epoch(2)
    rates = [each.optimizer.param_groups[0]["lr"] for each in both.values()]
    assert rates == pytest.approx([0.1 * (1 - 2 / 4) ** 0.9] * 2)


def test_each_has_a_scaler_of_its_own_where_there_is_one():
    scaled = adversaries("adversarial", "entropy", is_scaled=True)
    assert isinstance(scaled["adversarial"].scaler, torch.GradScaler)
    assert scaled["adversarial"].scaler is not scaled["entropy"].scaler
    assert adversaries("adversarial")["adversarial"].scaler is None


def test_distribution_wraps_each_and_the_state_is_that_of_the_bare_ones():
    plain, wrapped = adversaries("adversarial"), adversaries("adversarial")
    wrapped.distribute(lambda module: torch.compile(module, backend="eager"))
    assert list(wrapped.state_dict()["adversaries"]["adversarial"]["weights"]) == ["weight", "bias"]
    wrapped.load_state_dict(plain.state_dict())
    assert same(plain["adversarial"].discriminator, wrapped["adversarial"].discriminator)


def old_state(state):
    """Of the time when there was one adversary at most."""
    return {"adversary_state": state["adversaries"].get("adversarial")}


@pytest.mark.parametrize("written", [lambda state: state, old_state], ids=["now", "before"])
@pytest.mark.parametrize("is_scaled", [False, True])
def test_a_state_is_continued(written, is_scaled):
    first, second = (adversaries("adversarial", is_scaled=is_scaled) for _ in range(2))
    train(first["adversarial"], times=2)
    second.load_state_dict(copy.deepcopy(written(first.state_dict())))
    train(first["adversarial"])
    train(second["adversarial"])
    assert same(first["adversarial"].discriminator, second["adversarial"].discriminator)
    assert second["adversarial"].optimizer.state_dict()["state"][0]["step"] == 3


@pytest.mark.parametrize("state", [{"adversaries": {}}, {"adversary_state": None}])
def test_none_needs_no_state(state):
    none = adversaries()
    assert none.state_dict() == {"adversaries": {}}
    none.load_state_dict(state)
