"""Every trainer is found by nnU-Net's real lookup, and a user's subclass is one as well."""

import dataclasses
import pickle

import pytest
import torch
from every_trainer import MULTI_ENCODER, NAMES
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


@pytest.mark.parametrize("name", [n + suffix for n in NAMES for suffix in ("", "_1epoch", "_7epochs")])
def test_lookup_finds_one_picklable_class(find_trainer, name):
    found = find_trainer(name)
    assert issubclass(found, nnUNetTrainer)
    assert found.__name__ == name
    assert find_trainer(name) is found
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize(("suffix", "num_epochs"), [("_1epoch", 1), ("_7epochs", 7), ("", 1000)])
def test_suffix_sets_the_number_of_epochs(make_trainer, suffix, num_epochs):
    assert make_trainer(f"nnUNetTrainerModalityDropout{suffix}").num_epochs == num_epochs


def test_the_table_has_the_four_methods():
    assert {"nnUNetTrainerRAHVED", "nnUNetTrainerRMBTS", "nnUNetTrainerMMFormer", "nnUNetTrainerM2FTrans"} == set(
        MULTI_ENCODER
    )


def test_a_users_subclass_decides_the_schedule(make_trainer, find_trainer):
    base = find_trainer("nnUNetTrainerMSTKD")

    class UserTrainer(base):
        def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs = 3
            self.initial_lr = 0.5

    trainer = make_trainer(UserTrainer)
    trainer.initialize()
    assert trainer.num_epochs == 3
    assert trainer.lr_scheduler.max_steps == 3
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.5}
    assert "UserTrainer__" in trainer.output_folder


def test_a_users_trainer_may_bring_settings_of_its_own(find_trainer, make_trainer):
    parent = find_trainer("nnUNetTrainerMSTKD")

    @dataclasses.dataclass(frozen=True)
    class OwnSettings(type(parent.default_settings)):
        own: float = 1.0

    class nnUNetTrainerOwn(parent):
        default_settings = OwnSettings()

    trainer = make_trainer(nnUNetTrainerOwn, settings={"own": 2.0})
    assert trainer.settings.own == 2.0
    trainer.initialize()  # reads the stored section again
