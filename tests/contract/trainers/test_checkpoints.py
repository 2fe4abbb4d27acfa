"""When checkpoints are saved, and what becomes of those of an earlier run."""

from pathlib import Path

import pytest
from trainer_output import load

from nnunetv2_mstkd.errors import CaseError


def test_a_long_run_is_saved_every_tenth_of_its_epochs(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout_20epochs")
    trainer.on_train_start()
    assert trainer.save_every <= 2  # a tenth of 20


def test_a_user_may_save_more_often(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout_100epochs")
    trainer.save_every = 3
    trainer.on_train_start()
    assert trainer.save_every == 3


@pytest.mark.slow
def test_there_is_a_checkpoint_to_continue_from_after_the_first_epoch(make_trainer, recorded_batches, no_figures):
    trainer = make_trainer("nnUNetTrainerModalityDropout_100epochs")
    trainer.initialize()
    batches = recorded_batches.record(trainer, num_epochs=2)
    batches.feed(trainer, stop_at=(1, 0))
    with pytest.raises(InterruptedError):
        trainer.run_training()
    assert load(trainer, "checkpoint_latest.pth")["current_epoch"] == 1


@pytest.mark.slow
def test_a_new_run_sets_the_checkpoints_of_an_earlier_one_aside(make_trainer, finished):
    again = make_trainer("nnUNetTrainerMSTKD_1epoch")
    earlier = (finished / "checkpoint_final.pth").read_bytes()
    again.on_train_start()
    # nnU-Net's --c would take a checkpoint_final or checkpoint_best before it starts anew
    assert not list(finished.glob("checkpoint_*.pth"))
    assert (finished / "previous_checkpoint_final.pth").read_bytes() == earlier


@pytest.mark.slow
def test_a_training_that_its_data_refuses_leaves_the_earlier_model(make_trainer, finished, monkeypatch):
    again = make_trainer("nnUNetTrainerMSTKD_1epoch")

    def refuse(*_, **__):
        raise CaseError("table and data disagree")

    monkeypatch.setattr("nnunetv2_mstkd.trainers.subset_trainer.find_availability", refuse)
    with pytest.raises(CaseError):
        again.on_train_start()
    assert Path(again.output_folder) == finished
    assert (finished / "checkpoint_final.pth").is_file()
