"""A run that is continued: as if it had never been interrupted, and from no checkpoint but its own."""

import copy
from pathlib import Path

import pytest
import torch
from every_trainer import METHODS
from trainer_output import assert_equal_weights, load, rows

from nnunetv2_mstkd.errors import CheckpointError


def discriminators(trainer):
    """What is trained against the networks."""
    single = getattr(trainer, "adversary", None)
    several = getattr(trainer, "adversaries", {})
    return [adversary.discriminator for adversary in (*several.values(), *([] if single is None else [single]))]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_killed_and_continued_run_equals_an_uninterrupted_one(make_trainer, recorded_batches, no_figures, name):
    whole = make_trainer(f"{name}_2epochs", fold=0)
    whole.initialize()
    batches = recorded_batches.record(whole, num_epochs=2)
    batches.feed(whole)
    whole.run_training()

    killed = make_trainer(f"{name}_2epochs", fold=1)
    batches.feed(killed, stop_at=(1, 1))
    with pytest.raises(InterruptedError):
        killed.run_training()
    continued = make_trainer(f"{name}_2epochs", fold=1, continue_training=True)
    continued.load_checkpoint(str(Path(killed.output_folder) / "checkpoint_latest.pth"))
    assert continued.current_epoch == 1
    batches.feed(continued)
    continued.run_training()

    for trained in (lambda run: run.trained_networks(), discriminators):
        for one, other in zip(trained(whole), trained(continued), strict=True):
            assert_equal_weights(one.state_dict(), other.state_dict())
    assert not (Path(continued.output_folder) / "checkpoint_latest.pth").exists()
    for key in ("train_losses", "val_losses", "mean_fg_dice", "ema_fg_dice"):
        assert whole.logger.get_value(key, step=None) == continued.logger.get_value(key, step=None)
    assert [float(row["epoch"]) for row in rows(continued)] == [0, 1]
    for one, other in zip(rows(whole), rows(continued), strict=True):
        assert {k: repr(float(v)) for k, v in one.items()} == {k: repr(float(v)) for k, v in other.items()}  # nan too


@pytest.mark.slow
def test_a_finished_run_can_be_loaded_to_continue_and_to_validate(make_trainer, finished, no_figures):
    again = make_trainer("nnUNetTrainerMSTKD_1epoch", continue_training=True)
    again.load_checkpoint(str(finished / "checkpoint_final.pth"))
    assert again.has_training_state
    stored = load(again, "checkpoint_final_training_state.pth")["adversaries"]["adversarial"]
    assert_equal_weights(stored["weights"], again.discriminator.state_dict())
    assert again.current_epoch == 1
    again.run_training()  # nothing to do: must not fail


@pytest.mark.slow
def test_a_finished_run_without_training_state_saves_no_random_one(make_trainer, finished, no_figures):
    state_file = finished / "checkpoint_final_training_state.pth"
    state_file.unlink()
    continued = make_trainer("nnUNetTrainerMSTKD_1epoch", continue_training=True)
    student = load(continued, "checkpoint_final.pth")["network_weights"]
    continued.load_checkpoint(str(finished / "checkpoint_final.pth"))
    continued.run_training()
    assert not state_file.exists()
    assert_equal_weights(load(continued, "checkpoint_final.pth")["network_weights"], student)


@pytest.mark.slow
def test_the_best_ema_dice_survives_a_continuation(make_trainer, finished):
    continued = make_trainer("nnUNetTrainerMSTKD_1epoch", continue_training=True)
    file = finished / "checkpoint_final.pth"
    checkpoint = load(continued, file.name)
    checkpoint["_best_ema"] = None  # nnU-Net's own record is an epoch late in checkpoint_latest
    checkpoint["logging"]["ema_fg_dice"] = [0.25, 0.75, 0.5]
    torch.save(checkpoint, file)
    continued.load_checkpoint(str(file))
    assert continued._best_ema == 0.75


@pytest.mark.slow
def test_continuing_from_a_student_alone_is_refused(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_2epochs")
    trainer.on_train_start()
    best = str(Path(trainer.output_folder) / "checkpoint_best.pth")
    trainer.save_checkpoint(best)
    again = make_trainer("nnUNetTrainerMSTKD_2epochs", continue_training=True)
    again.load_checkpoint(best)  # to validate with it is fine
    with pytest.raises(CheckpointError, match="student only"):
        again.run_training()


@pytest.mark.parametrize(
    ("name", "settings", "configuration", "theirs", "ours"),
    [
        ("nnUNetTrainerMSTKD_noGSME", None, "3d_fullres", "'nnUNetTrainerMSTKD'", "'nnUNetTrainerMSTKD_noGSME'"),
        ("nnUNetTrainerMSTKD", {"seed": 9}, "3d_fullres", "{'seed': 0}", "{'seed': 9}"),
        ("nnUNetTrainerMSTKD", None, "2d", "'3d_fullres'", "'2d'"),
    ],
)
def test_a_foreign_checkpoint_is_refused_and_both_sides_named(
    make_trainer, tmp_path, name, settings, configuration, theirs, ours
):
    writer = make_trainer("nnUNetTrainerMSTKD")
    writer.initialize()
    file = str(tmp_path / "checkpoint_latest.pth")
    writer.save_checkpoint(file)
    reader = make_trainer(name, settings=settings, configuration=configuration)
    with pytest.raises(CheckpointError) as raised:
        reader.load_checkpoint(file)
    assert f"is {theirs}, that of this run is {ours}" in str(raised.value)


def test_other_plans_are_refused_and_both_named(make_trainer, make_dataset, tmp_path):
    writer = make_trainer("nnUNetTrainerMSTKD")
    writer.initialize()
    file = str(tmp_path / "checkpoint_latest.pth")
    writer.save_checkpoint(file)
    plans = {**copy.deepcopy(make_dataset("regions").plans), "plans_name": "nnUNetPlansOther"}
    with pytest.raises(CheckpointError, match=r"nnUNetPlansTiny.*nnUNetPlansOther"):
        make_trainer("nnUNetTrainerMSTKD", plans=plans).load_checkpoint(file)


def test_a_checkpoint_from_before_there_were_other_terms_is_continued(make_trainer, first_batch, tmp_path):
    writer = make_trainer("nnUNetTrainerMSTKD")
    writer.initialize()
    writer.train_step(first_batch(writer))
    file = tmp_path / "checkpoint_latest.pth"
    writer.save_checkpoint(str(file))
    checkpoint = torch.load(file, weights_only=False)
    for term in ("gram_style", "mutual_information", "entropy_adversarial", "knowledge_adversarial"):
        del checkpoint["init_args"]["plans"]["mstkd"][f"weight_{term}"]
    state = checkpoint["training_state"]
    state["adversary_state"] = state.pop("adversaries")["adversarial"]
    torch.save(checkpoint, file)
    reader = make_trainer("nnUNetTrainerMSTKD")
    reader.load_checkpoint(str(file))
    assert_equal_weights(writer.discriminator.state_dict(), reader.discriminator.state_dict())
    states = [trainer.adversaries["adversarial"].optimizer.state_dict()["state"] for trainer in (writer, reader)]
    assert torch.equal(states[0][0]["exp_avg"], states[1][0]["exp_avg"])
