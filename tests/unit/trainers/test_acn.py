"""nnUNetTrainerACN: what is its own beside nnUNetTrainerMSTKD, and what its released code has wrong."""

import copy
import math

import pytest
import torch
from torch._dynamo import OptimizedModule
from torch.optim import SGD

from nnunetv2_mstkd.architectures import EntropyDiscriminator, KnowledgeDiscriminator
from nnunetv2_mstkd.distillation.adversarial import judged
from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.trainers import mstkd

NAME = "nnUNetTrainerACN"
compile_module = torch.compile
ADVERSARIES = {"entropy_adversarial": EntropyDiscriminator, "knowledge_adversarial": KnowledgeDiscriminator}


@pytest.fixture
def trainer(make_trainer):
    trainer = make_trainer(f"{NAME}_4epochs")
    trainer.initialize()
    return trainer


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_weights_are_the_papers_by_hand(find_trainer):
    settings = find_trainer(NAME).default_settings
    # 0.2 sum(full) + 0.8 sum(missing) of three Dice terms: over 0.8 * 3 for a mean of weight 1
    assert settings.weight_teacher_segmentation == pytest.approx(0.25)
    assert settings.weight_consistency == pytest.approx(10 / 2.4)
    assert settings.weight_mutual_information == pytest.approx(0.5 / 2.4)
    assert settings.weight_entropy_adversarial == pytest.approx(0.001 / 2.4)
    assert settings.weight_knowledge_adversarial == pytest.approx(0.0002 / 2.4)
    assert settings.ramp_fraction == pytest.approx(20 / 300)


def test_both_networks_are_the_plans_own(trainer, make_trainer):
    stock = make_trainer("nnUNetTrainer")
    stock.initialize()
    expected = {name for name in stock.network.state_dict() if not name.startswith("decoder.encoder.")}
    assert set(trainer.network.state_dict()) == set(trainer.teacher.state_dict()) == expected


def test_a_step_trains_every_part_and_is_finite(trainer, first_batch):
    parts = {"student": trainer.network, "teacher": trainer.teacher, "regressor": trainer.regressor}
    parts.update({term: adversary.discriminator for term, adversary in trainer.adversaries.items()})
    assert {term: type(parts[term]) for term in ADVERSARIES} == ADVERSARIES
    before = {name: weights(part) for name, part in parts.items()}
    result = trainer.train_step(first_batch(trainer))
    assert all(math.isfinite(value) for value in result.values())
    for name, part in parts.items():
        assert any(not torch.equal(value, before[name][key]) for key, value in part.state_dict().items()), name


def test_the_regressor_is_trained_by_the_students_optimiser_and_is_not_in_the_model(trainer, tmp_path):
    assert type(trainer.optimizer) is SGD
    assert [id(p) for p in trainer.optimizer.param_groups[-1]["params"]] == list(
        map(id, trainer.regressor.parameters())
    )
    file = tmp_path / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(file))
    checkpoint = torch.load(file, weights_only=False)
    assert set(checkpoint["network_weights"]) == set(trainer.network.state_dict())
    assert set(checkpoint["training_state"]["regressor_weights"]) == set(trainer.regressor.state_dict())
    assert set(checkpoint["training_state"]["adversaries"]) == set(ADVERSARIES)


def test_the_regressor_is_compiled_where_the_networks_are(make_trainer, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module: compile_module(module, backend="eager"))
    trainer, plain = make_trainer(NAME), make_trainer(NAME)
    trainer._do_i_compile = lambda: True
    for each in (trainer, plain):
        each.initialize()
    assert isinstance(trainer.regressor, OptimizedModule)
    assert list(trainer.training_state()["regressor_weights"]) == list(plain.regressor.state_dict())


def test_regressor_and_discriminators_are_continued(trainer, make_trainer, first_batch, tmp_path):
    trainer.train_step(first_batch(trainer))
    file = str(tmp_path / "checkpoint_latest.pth")
    trainer.save_checkpoint(file)
    continued = make_trainer(f"{NAME}_4epochs", continue_training=True)
    continued.load_checkpoint(file)
    pairs = [(trainer.regressor, continued.regressor)]
    for term, adversary in trainer.adversaries.items():
        pairs.append((adversary.discriminator, continued.adversaries[term].discriminator))
        moments = [a.optimizer.state_dict()["state"][0]["exp_avg"] for a in (adversary, continued.adversaries[term])]
        assert torch.equal(*moments)
    for mine, theirs in pairs:
        other = theirs.state_dict()
        assert all(torch.equal(value, other[name]) for name, value in mine.state_dict().items())


def test_the_discriminators_optimisers_keep_their_moments(trainer, first_batch):
    """The released code builds them anew in each step: Adam without a second one."""
    optimizers = {term: adversary.optimizer for term, adversary in trainer.adversaries.items()}
    batch = first_batch(trainer)
    for _ in range(3):
        trainer.train_step(copy.deepcopy(batch))
    for term, adversary in trainer.adversaries.items():
        assert adversary.optimizer is optimizers[term]
        assert {int(state["step"]) for state in adversary.optimizer.state.values()} == {3}


def test_every_discriminator_follows_the_schedule(trainer):
    trainer.current_epoch = 2
    trainer.on_train_epoch_start()
    assert {a.optimizer.param_groups[0]["lr"] for a in trainer.adversaries.values()} == {1e-4 * (1 - 2 / 4) ** 0.9}


def test_the_term_depends_on_the_teacher(make_trainer, first_batch):
    """The released code calls L_MI with the student's feature as target, and the teacher's has no influence."""
    losses, batch = [], None
    for seed in (None, 7):
        trainer = make_trainer(NAME)
        trainer.initialize()
        batch = batch or first_batch(trainer)
        if seed is not None:
            torch.manual_seed(seed)
            with torch.no_grad():
                for weight in trainer.teacher.encoder.parameters():
                    weight.add_(0.1 * torch.randn_like(weight))
        losses.append(trainer.train_step(copy.deepcopy(batch)))
    assert losses[0]["loss_segmentation"] == losses[1]["loss_segmentation"]
    assert losses[0]["loss_mutual_information"] != losses[1]["loss_mutual_information"]


def test_no_case_to_learn_from_still_gives_every_weight_a_gradient(trainer, first_batch, monkeypatch):
    """DDP waits for all of them."""
    monkeypatch.setattr(trainer.available, "is_complete", lambda codes: codes < 0)
    result = trainer.train_step(first_batch(trainer))
    assert result["loss_mutual_information"] == result["loss_consistency"] == 0
    assert all(weight.grad is not None and not weight.grad.any() for weight in trainer.regressor.parameters())
    for adversary in trainer.adversaries.values():
        assert all(weight.grad is not None for weight in adversary.discriminator.parameters())


def test_discriminators_keep_nothing_of_the_networks(trainer, first_batch, monkeypatch):
    """The entropy map has the size of the logits, and its backward pass would never come."""
    graphs = []

    def recorded(*arguments):
        found = judged(*arguments)
        graphs.append(torch.is_grad_enabled())
        return found

    monkeypatch.setattr(mstkd, "judged", recorded)
    trainer.train_step(first_batch(trainer))
    assert graphs == [False] * 2 * len(trainer.adversaries)


def test_bfloat16_on_a_cpu(make_trainer, first_batch):
    trainer = make_trainer(NAME, settings={"cpu_precision": "bfloat16"})
    trainer.initialize()
    assert all(math.isfinite(value) for value in trainer.train_step(first_batch(trainer)).values())


@pytest.mark.parametrize("kind", ["shared", "ema"])
def test_cheaper_teachers_need_no_other_setting(make_trainer, first_batch, kind):
    trainer = make_trainer(NAME, settings={"teacher": kind})
    trainer.initialize()
    assert all(math.isfinite(value) for value in trainer.train_step(first_batch(trainer)).values())


def test_a_stock_model_can_teach_a_dedicated_student(make_trainer, first_batch, tmp_path):
    donor = make_trainer("nnUNetTrainer")
    donor.on_train_start()
    file = str(tmp_path / "donor.pth")
    donor.save_checkpoint(file)
    settings = {"teacher": "frozen", "teacher_checkpoint": file, "fixed_subset": "T1ce"}
    trainer = make_trainer(NAME, settings=settings)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    seen = []
    trainer.teacher.encoder.register_forward_pre_hook(lambda encoder, args: seen.append(args[0].clone()))
    batch = first_batch(trainer)
    result = trainer.train_step(copy.deepcopy(batch))
    assert result["loss_mutual_information"] != 0
    assert all(torch.equal(image, batch["data"]) for image in seen)
    with pytest.raises(SettingsError, match=r"none of the features.*weight_content.*weight_gram_style.*weight_adv"):
        make_trainer("nnUNetTrainerSMUNet", settings=settings).on_train_start()
