"""What an epoch of every trainer leaves: weights, checkpoints, a model of the stock predictor, and a record."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from every_trainer import DISTILLING, NAMES
from masked_concatenation import MaskedConcatenationTrainer
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from trainer_building import build_trainer
from trainer_output import assert_equal_weights, assert_trained, load, rows

from nnunetv2_mstkd.distillation.terms import DISCRIMINATORS

pytestmark = pytest.mark.slow

OF_MSTKD = {"consistency", "logits", "multiscale", "extreme_value", "style_matching", "adversarial"}
TERMS = {
    "nnUNetTrainerMSTKD": OF_MSTKD,
    "nnUNetTrainerMSTKD_noMSTKD": OF_MSTKD - {"multiscale", "extreme_value"},
    "nnUNetTrainerMSTKD_noGSME": OF_MSTKD - {"style_matching", "adversarial"},
    "nnUNetTrainerMSTKD_noSLKD": OF_MSTKD - {"consistency", "logits"},
    "nnUNetTrainerMSTKDPaper": OF_MSTKD,
    "nnUNetTrainerACN": {"consistency", "mutual_information", "entropy_adversarial", "knowledge_adversarial"},
    "nnUNetTrainerSMUNet": {"consistency", "content", "gram_style", "adversarial"},
}


class Recorder:
    """Has what nnU-Net's Weights & Biases logger has."""

    def __init__(self):
        self.logged = {}

    def log(self, key, value, step):
        self.logged[key, step] = value

    def log_summary(self, key, value): ...

    def update_config(self, config): ...


@dataclass(frozen=True)
class Epoch:
    """A training of one epoch.

    Args:
        name: of the trainer, without the schedule.
        trainer: after the training.
        before: the network's weights before it.
        logged: what loggers were told, by key and epoch.
    """

    name: str
    trainer: Any
    before: dict[str, torch.Tensor]
    logged: dict[tuple[str, int], float]


@pytest.fixture(scope="module", params=[*NAMES, MaskedConcatenationTrainer.__name__])  # this one has no public name
def epoch(request, make_dataset, external_trainers, tmp_path_factory) -> Iterator[Epoch]:
    """Each trainer in turn, trained once for all that is asked of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_results", str(tmp_path_factory.mktemp("results")))
        for variable, value in external_trainers.items():
            patch.setenv(variable, value)
        trainer_class = MaskedConcatenationTrainer
        if request.param in NAMES:
            trainer_class = recursive_find_trainer_class_by_name(f"{request.param}_1epoch")
        trainer = build_trainer(trainer_class, make_dataset("regions"))
        trainer.num_epochs = 1
        trainer.initialize()
        before = copy.deepcopy(trainer.network.state_dict())
        recorder = Recorder()
        trainer.logger.loggers.append(recorder)
        trainer.run_training()
        yield Epoch(request.param, trainer, before, recorder.logged)


def recorded_of(epoch):
    """The columns of a trainer's record."""
    columns = {"epoch", "loss_segmentation", "dice_student_subsets", "dice_student_all"}
    if epoch.name in DISTILLING:
        terms = TERMS[epoch.name]
        columns |= {f"{kind}_{term}" for term in terms for kind in ("loss", "weight", "gradient")}
        columns |= {"ramp", "loss_total", "loss_teacher_segmentation", "gradient_segmentation"}
        columns |= {"dice_teacher_all"} if epoch.trainer.settings.teacher == "network" else set()
        columns |= {"attention_entropy_student", "attention_entropy_teacher"}
        columns |= {f"loss_{loss}" for term, loss in DISCRIMINATORS.items() if term in terms}
    elif hasattr(epoch.trainer, "term_weights"):
        columns |= {f"loss_{term}" for term in (*epoch.trainer.term_weights(), "total")}
        columns |= {"loss_discriminator"} if hasattr(epoch.trainer, "adversary") else set()
    return columns


def test_every_weight_is_trained(epoch):
    assert_trained(epoch.before, load(epoch.trainer, "checkpoint_final.pth")["network_weights"])


@pytest.mark.parametrize("epoch", NAMES, indirect=True)
def test_trains_and_is_loaded_back_by_the_stock_predictor(epoch, find_trainer):
    trainer = epoch.trainer
    assert load(trainer, "checkpoint_final.pth")["trainer_name"] == f"{epoch.name}_1epoch"
    predictor = nnUNetPredictor(device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,), "checkpoint_final.pth")
    assert predictor.trainer_name == f"{epoch.name}_1epoch"
    assert_equal_weights(predictor.network.state_dict(), trainer.network.state_dict())
    image = torch.randn(1, 4, *trainer.configuration_manager.patch_size)
    with torch.inference_mode():
        logits = predictor.network.eval()(image)
    assert logits.shape == (1, 3, *image.shape[2:])
    assert torch.isfinite(logits).all()


def test_finished_checkpoints_hold_the_student_alone(epoch):
    trainer = epoch.trainer
    student = sum(value.nbytes for value in trainer.network.state_dict().values())
    for name in ("checkpoint_best.pth", "checkpoint_final.pth"):
        checkpoint = load(trainer, name)
        assert set(checkpoint) == {
            "network_weights", "logging", "_best_ema", "current_epoch", "init_args", "trainer_name",
            "inference_allowed_mirroring_axes",
        }  # fmt: skip
        # once the student, and 100 kB for plans, names and log; a momentum alone would weigh as much as the student
        assert (Path(trainer.output_folder) / name).stat().st_size < student + 100_000 < 2 * student
        network = trainer.build_network_architecture(
            trainer.plans_manager, trainer.configuration_manager, 4, 3, enable_deep_supervision=False
        )
        network.load_state_dict(checkpoint["network_weights"], strict=True)
    assert_equal_weights(checkpoint["network_weights"], trainer.network.state_dict())


def test_every_term_weight_and_gradient_is_recorded(epoch):
    (row,) = rows(epoch.trainer)
    assert set(row) == recorded_of(epoch)
    assert all(math.isfinite(float(value)) for name, value in row.items() if name.startswith(("loss_", "gradient_")))
    if epoch.name in DISTILLING:
        entropy = float(row["attention_entropy_student"])
        assert 0 < entropy <= 1 if epoch.trainer.settings.use_multiscale_transformer else math.isnan(entropy)
        assert float(row["ramp"]) == pytest.approx(math.exp(-5))  # of the first iteration
    assert (Path(epoch.trainer.output_folder) / "mstkd_progress.png").stat().st_size > 0


def test_the_recorded_loss_is_nnunets(epoch):
    (row,) = rows(epoch.trainer)
    logged = epoch.trainer.logger.get_value("train_losses", step=0)
    assert float(row["loss_segmentation"]) == pytest.approx(logged, abs=1e-6)


def test_record_goes_to_the_loggers_that_nnunet_has_switched_on(epoch):
    (row,) = rows(epoch.trainer)
    found = {name.removeprefix("mstkd/"): value for (name, step), value in epoch.logged.items() if step == 0}
    for name in set(row) - {"epoch"}:
        assert repr(float(found[name])) == repr(float(row[name])), name  # nan too
