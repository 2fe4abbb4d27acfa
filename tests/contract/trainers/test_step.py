"""One step: what it trains, how it is clipped, what it is random in, and what stops it."""

import copy

import pytest
import torch
from training_cases import complete

from nnunetv2_mstkd.errors import NonFiniteLossError

MAX_GRADIENT_NORM = 12  # nnU-Net's


def gradient_norm(network):
    return torch.stack([p.grad.norm() for p in network.parameters() if p.grad is not None]).norm()


def test_branches_are_clipped_apart(make_trainer, first_batch):
    norms = []
    batch = None
    for weight in (1.0, 1e8):
        settings = {"teacher": "network", "weight_teacher_segmentation": weight}
        trainer = make_trainer("nnUNetTrainerMSTKD", settings=settings)
        trainer.initialize()
        batch = batch or first_batch(trainer)
        trainer.train_step(copy.deepcopy(batch))
        norms.append((float(gradient_norm(trainer.network)), float(gradient_norm(trainer.teacher))))
    (student, _), (student_beside_huge_teacher, teacher) = norms
    assert teacher == pytest.approx(MAX_GRADIENT_NORM, rel=1e-3)
    assert student < MAX_GRADIENT_NORM
    assert student_beside_huge_teacher == pytest.approx(student, rel=1e-4)


def test_all_three_networks_are_trained_in_a_step(make_trainer, first_batch):
    trainer = make_trainer("nnUNetTrainerMSTKD", settings={"teacher": "network"})
    trainer.initialize()
    networks = [trainer.network, trainer.teacher, trainer.discriminator]
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    trainer.train_step(first_batch(trainer))
    for network, old in zip(networks, before, strict=True):
        new = network.state_dict()
        assert any(not torch.equal(old[key], new[key]) for key in old)


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_a_broken_case_stops_the_training_and_is_named(make_trainer, first_batch, name):
    trainer = make_trainer(name)
    trainer.initialize()
    batch = first_batch(trainer)
    batch["data"][0] = torch.nan
    trainer.current_epoch, trainer.iteration = 3, 7
    with pytest.raises(NonFiniteLossError, match=r"segmentation.*epoch 3, iteration 7") as raised:
        trainer.train_step(batch)
    assert all(str(key) in str(raised.value) for key in batch["keys"])


def test_an_absent_modality_has_no_influence_on_a_step(make_trainer, first_batch):
    losses = []
    batch = None
    for noise in (0.0, 100.0):
        trainer = make_trainer("nnUNetTrainerModalityDropout")
        trainer.initialize()
        batch = batch or first_batch(trainer)
        data = batch["data"].clone()
        absent = ~trainer.training_mask(complete(len(data)))
        assert absent.any(), "choose another seed: nothing is absent in this batch"
        data[absent] += noise
        losses.append(trainer.train_step({**batch, "data": data})["loss"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("moved", ["current_epoch", "iteration", "local_rank"])
def test_dropout_differs_from_step_to_step_but_not_from_run_to_run(make_trainer, moved):
    trainer = make_trainer("nnUNetTrainerMSTKD")

    def draw():
        with trainer.step_rng():
            return torch.rand(8)

    here = draw()
    assert torch.equal(draw(), here)
    setattr(trainer, moved, 1)
    assert not torch.equal(draw(), here)
