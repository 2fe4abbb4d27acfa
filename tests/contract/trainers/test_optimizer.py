"""What the optimiser of a trainer has, and where its networks begin."""

import pytest
import torch
from every_trainer import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_in_one_optimiser(make_trainer, name):
    trainer = make_trainer(name)
    trainer.initialize()
    groups = [[id(p) for p in group["params"]] for group in trainer.optimizer.param_groups]
    beside = [getattr(trainer, part, None) for part in ("teacher", "regressor", "auxiliary")]
    trained = [trainer.network, *(part for part in beside if part not in (None, trainer.network))]  # as its own teacher
    assert groups == [[id(p) for p in part.parameters()] for part in trained]
    for adversary in getattr(trainer, "adversaries", {}).values():
        (group,) = adversary.optimizer.param_groups
        assert [id(p) for p in group["params"]] == [id(p) for p in adversary.discriminator.parameters()]
        assert not {id(p) for p in group["params"]} & {i for ids in groups for i in ids}


@pytest.mark.parametrize(("name", "branches"), [("nnUNetTrainerModalityDropout", 1), ("nnUNetTrainerMSTKD", 2)])
def test_optimiser_of_the_settings(make_trainer, name, branches):
    teacher = {"teacher": "network"} if branches > 1 else {}
    stock = make_trainer(name, settings=teacher)
    stock.initialize()
    assert type(stock.optimizer) is torch.optim.SGD
    assert {(g["lr"], g["weight_decay"], g["momentum"]) for g in stock.optimizer.param_groups} == {(1e-2, 3e-5, 0.99)}
    trainer = make_trainer(name, settings={**teacher, "optimizer": "AdamW", "initial_lr": 1e-3, "weight_decay": 0.01})
    trainer.initialize()
    assert type(trainer.optimizer) is torch.optim.AdamW
    assert len(trainer.optimizer.param_groups) == branches
    assert {(group["lr"], group["weight_decay"]) for group in trainer.optimizer.param_groups} == {(1e-3, 0.01)}


def test_paper_trainer_uses_the_papers_optimiser(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKDPaper")
    trainer.initialize()
    assert type(trainer.optimizer) is torch.optim.Adam
    # METHOD.md section 3: Adam 1e-4, weight decay 1e-5
    assert {(group["lr"], group["weight_decay"]) for group in trainer.optimizer.param_groups} == {(1e-4, 1e-5)}
    assert trainer.network.transformer.embedding.out_channels == 768


@pytest.mark.parametrize("shared", [True, False])
def test_initial_weights_of_the_teacher(make_trainer, shared):
    trainer = make_trainer("nnUNetTrainerMSTKD", settings={"teacher": "network", "shared_initialization": shared})
    trainer.initialize()
    student, teacher = trainer.network.state_dict(), trainer.teacher.state_dict()
    equal = [torch.equal(student[name], teacher[name]) for name in student if student[name].ndim > 1]
    assert all(equal) == shared
    assert trainer.network.encoder is not trainer.teacher.encoder, "equal at first, not the same"
