"""nnUNetTrainerSMUNet: what is its own beside nnUNetTrainerMSTKD, and what its released code has wrong."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.architectures import StyleDiscriminator
from nnunetv2_mstkd.architectures.style_fusion import MST_KD_STAGES, SMU_NET_STAGES
from nnunetv2_mstkd.errors import CheckpointError

NAME = "nnUNetTrainerSMUNet"


@pytest.fixture
def trainer(make_trainer):
    trainer = make_trainer(NAME)
    trainer.initialize()
    return trainer


def test_weights_are_the_papers_by_hand(find_trainer):
    settings = find_trainer(NAME).default_settings
    # 0.4 sum(full) + 0.6 sum(missing) of three Dice terms: over 0.6 * 3 for a mean of weight 1
    assert settings.weight_teacher_segmentation == pytest.approx(2 / 3)
    assert settings.weight_consistency == pytest.approx(10 / 1.8)
    assert settings.weight_content == pytest.approx(0.2 / 1.8 * 0.5)
    assert settings.weight_adversarial == pytest.approx(0.0002 / 1.8)
    assert settings.ramp_fraction == pytest.approx(20 / 250)


def test_style_and_content_without_a_transformer(trainer, first_batch):
    assert trainer.network.transformer is None
    assert trainer.network.fusion is not None
    assert trainer.regressor is None
    assert {term: type(a.discriminator) for term, a in trainer.adversaries.items()} == {
        "adversarial": StyleDiscriminator
    }
    assert "regressor_weights" not in trainer.training_state()


def test_the_style_of_both_networks_is_of_the_last_three_stages(trainer):
    for branch in (trainer.network, trainer.teacher):
        assert branch.fusion.stage_projection.in_channels == sum(branch.encoder.output_channels[-3:])
        assert tuple(branch.fusion.steps) == SMU_NET_STAGES


def test_a_checkpoint_whose_style_took_the_deepest_stage_twice_is_not_continued(trainer, make_trainer, tmp_path):
    file = tmp_path / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(file))
    checkpoint = torch.load(file, weights_only=False)
    weights = checkpoint["network_weights"]
    for name in ("weight", "bias"):
        weights[f"fusion.style_projection.{name}"] = weights.pop(f"fusion.stage_projection.{name}")
    torch.save(checkpoint, file)
    with pytest.raises(CheckpointError, match=r"(?s)The network of the checkpoint.*fusion\.stage_projection"):
        make_trainer(NAME).load_checkpoint(str(file))


@pytest.mark.parametrize(
    ("name", "stages"), [("nnUNetTrainerMSTKD", MST_KD_STAGES), (NAME, SMU_NET_STAGES)], ids=["mst-kd", "smu-net"]
)
def test_a_frozen_teacher_keeps_the_style_that_it_learned(make_trainer, first_batch, tmp_path, name, stages):
    donor = make_trainer(name)
    donor.on_train_start()
    donor.save_checkpoint(str(tmp_path / "donor.pth"))
    student = make_trainer(NAME, settings={"teacher": "frozen", "teacher_checkpoint": str(tmp_path / "donor.pth")})
    student.on_train_start()
    student.on_train_epoch_start()
    assert tuple(student.teacher.fusion.steps) == stages
    assert tuple(student.network.fusion.steps) == SMU_NET_STAGES
    assert student.train_step(first_batch(student))["loss_gram_style"] > 0


def test_the_gram_term_is_no_null(trainer, first_batch):
    """The released one is about 1e-14: its gradient at the student's bottleneck would not be on record."""
    trainer.train_step(first_batch(trainer))
    assert trainer.record["gradient_gram_style"] > 1e-6 * trainer.record["gradient_segmentation"]


def test_dropout_is_off_in_both_networks_while_validating(trainer, first_batch):
    """The released code never calls eval(), that of ACN for one of the networks alone."""
    trainer.on_train_epoch_start()
    branches = (trainer.network, trainer.teacher)
    assert all(branch.training for branch in branches)
    trainer.on_validation_epoch_start()
    for branch in branches:
        dropouts = [module for module in branch.modules() if isinstance(module, nn.Dropout2d | nn.Dropout3d)]
        assert any(module.p > 0 for module in dropouts)
        assert not any(module.training for module in branch.modules())
    batch = first_batch(trainer)
    with torch.no_grad():
        first, second = (trainer.validation_step(copy.deepcopy(batch)) for _ in range(2))
    assert first["student_tp_hard"].tolist() == second["student_tp_hard"].tolist()


def test_a_region_begins_at_one_half(trainer):
    """The released evaluation takes 0.4, its training 0.5."""
    logits = torch.full((3, 2, 2, 2), -9.0)
    logits[0] = torch.tensor(0.45).logit()
    assert not trainer.label_manager.convert_logits_to_segmentation(logits).any()
    logits[0] = torch.tensor(0.55).logit()
    assert trainer.label_manager.convert_logits_to_segmentation(logits).all()


@pytest.mark.slow
def test_the_best_checkpoint_is_kept_when_a_worse_epoch_follows(find_trainer, make_trainer, monkeypatch):
    """The released code writes best and last to one file."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **kwargs: Path(file).touch())
    kept = {}

    class WorseLater(find_trainer(f"{NAME}_2epochs")):
        def on_epoch_end(self):
            super().on_epoch_end()
            best = Path(self.output_folder) / "checkpoint_best.pth"
            if not kept:
                kept["first"] = best.read_bytes()
                self._best_ema = 2.0  # no Dice gets there
            kept["last"] = best.read_bytes()

    trainer = make_trainer(WorseLater)
    trainer.run_training()
    assert kept["first"] == kept["last"]
    final = torch.load(Path(trainer.output_folder) / "checkpoint_final.pth", weights_only=False)
    assert final["current_epoch"] == 2
