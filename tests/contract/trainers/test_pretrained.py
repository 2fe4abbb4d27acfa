"""Pretrained weights, as nnU-Net loads them, start student and teacher."""

import copy

import torch
from nnunetv2.run.load_pretrained_weights import load_pretrained_weights
from trainer_output import assert_equal_weights


def pretrained_from(make_trainer, tmp_path, name):
    donor = make_trainer(name, settings={"seed": 77} if name != "nnUNetTrainer" else None)
    donor.on_train_start()
    file = str(tmp_path / "donor.pth")
    donor.save_checkpoint(file)
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch", settings={"teacher": "network"})
    trainer.initialize()
    before = copy.deepcopy(dict(trainer.network.state_dict()))
    load_pretrained_weights(trainer.network, file)
    return torch.load(file, weights_only=False)["network_weights"], before, trainer


def test_stock_weights_start_both_branches(make_trainer, tmp_path):
    donated, _, trainer = pretrained_from(make_trainer, tmp_path, "nnUNetTrainer")
    trainer.on_train_start()
    for branch in (trainer.network, trainer.teacher):
        taken = branch.state_dict()
        plan = [key for key in taken if key.startswith(("encoder.", "decoder.")) and "seg_layers" not in key]
        assert len(plan) > 20
        assert all(torch.equal(taken[key], donated[key]) for key in plan)
        heads = [key for key in taken if "seg_layers" in key and key.endswith("weight")]
        assert heads
        assert not any(torch.equal(taken[key], donated[key]) for key in heads)


def test_own_weights_bring_the_transformer_too(make_trainer, tmp_path):
    donated, before, trainer = pretrained_from(make_trainer, tmp_path, "nnUNetTrainerMSTKD")
    own = [k for k in donated if k.startswith(("transformer.blocks", "fusion.")) and k.endswith("in.weight")]
    assert own
    for branch in (trainer.network, trainer.teacher):
        taken = branch.state_dict()
        assert all(torch.equal(taken[key], donated[key]) for key in own)
    assert not any(torch.equal(before[key], donated[key]) for key in own)


def test_after_the_start_the_state_dict_is_an_ordinary_one(make_trainer, tmp_path):
    _, _, trainer = pretrained_from(make_trainer, tmp_path, "nnUNetTrainer")
    trainer.on_train_start()
    weights = trainer.network.state_dict()
    assert list(dict(weights.items())) == list(weights.keys()) == list(torch.nn.Module.state_dict(trainer.network))
    assert "state_dict" not in vars(trainer.network)
    assert "load_state_dict" not in vars(trainer.network)
    teacher = copy.deepcopy(dict(trainer.teacher.state_dict()))
    trainer.network.load_state_dict({key: torch.zeros_like(value) for key, value in weights.items()})
    assert_equal_weights(teacher, dict(trainer.teacher.state_dict()))  # no longer follows
