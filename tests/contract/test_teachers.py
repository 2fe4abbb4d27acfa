"""What every kind of teacher promises, in the real trainer."""

import copy
import math
from pathlib import Path

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch._dynamo import OptimizedModule

from nnunetv2_mstkd.errors import CheckpointError, SettingsError
from nnunetv2_mstkd.trainers.teacher.ema import warmed_up_decay

KINDS = ("network", "shared", "ema", "frozen")
WITHOUT_GRADIENT = ("ema", "frozen")
LOGITS_ALONE = {f"weight_{t}": 0.0 for t in ("multiscale", "extreme_value", "style_matching", "adversarial")}


@pytest.fixture
def donor_checkpoint(make_trainer, tmp_path):
    """Return a function that writes a checkpoint of a trainer with other random weights."""

    def write(name="nnUNetTrainerMSTKD", variant="regions", file="donor.pth", **options):
        donor = make_trainer(name, variant, **options)
        donor.on_train_start()
        path = tmp_path / file
        donor.save_checkpoint(str(path))
        return path

    return write


@pytest.fixture
def started(make_trainer, donor_checkpoint):
    """Return a function that makes a trainer with a kind of teacher, ready for its first step."""

    def start(kind, name="nnUNetTrainerMSTKD", settings=None, fold=0, **options):
        settings = {"teacher": kind, **(settings or {})}
        if kind == "frozen" and "teacher_checkpoint" not in settings:
            settings["teacher_checkpoint"] = str(donor_checkpoint(settings={"seed": 77}))
        trainer = make_trainer(name, settings=settings, fold=fold, **options)
        trainer.on_train_start()
        trainer.on_train_epoch_start()
        return trainer

    return start


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def differing(one, other):
    return [name for name in one if not torch.equal(one[name], other[name])]


# --- One step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_finite_and_trains_the_student(started, first_batch, kind):
    trainer = started(kind)
    before = weights(trainer.network)
    result = trainer.train_step(first_batch(trainer))
    assert all(math.isfinite(value) for value in result.values())
    assert differing(before, trainer.network.state_dict())
    assert ("loss_teacher_segmentation" in result) == (kind not in WITHOUT_GRADIENT)
    assert {"loss_consistency", "loss_multiscale", "loss_style_matching", "loss_adversarial"} <= set(result)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_where_they_belong(started, first_batch, kind):
    trainer = started(kind)
    trainer.train_step(first_batch(trainer))
    assert all(p.grad is not None for name, p in trainer.network.named_parameters() if "seg_layers" not in name)
    optimised = [id(p) for group in trainer.optimizer.param_groups for p in group["params"]]
    assert len(optimised) == len(set(optimised))
    teacher = list(trainer.teacher.parameters())
    assert (kind == "shared") == (trainer.teacher is trainer.network)
    assert all((id(p) in optimised) == (kind not in WITHOUT_GRADIENT) for p in teacher)
    if kind in WITHOUT_GRADIENT:
        assert all(p.grad is None and not p.requires_grad for p in teacher)


@pytest.mark.parametrize("kind", KINDS)
def test_modes_of_training_and_validation(started, kind):
    trainer = started(kind)
    assert trainer.network.training
    assert trainer.teacher.training == (kind not in WITHOUT_GRADIENT)
    trainer.on_validation_epoch_start()
    assert not trainer.network.training
    assert not trainer.teacher.training


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_compiled_networks_take_the_same_steps(started, first_batch, monkeypatch, kind):
    """nnU-Net compiles its network: a teacher is made of it, follows it or is another."""
    compile_module = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module: compile_module(module, backend="eager"))
    results, batch = [], None
    for compiled in (False, True):
        monkeypatch.setattr(nnUNetTrainer, "_do_i_compile", lambda _self, compiled=compiled: compiled)
        torch._dynamo.reset()
        trainer = started(kind)
        assert isinstance(trainer.network, OptimizedModule) == compiled
        without_dropout(trainer.network)
        without_dropout(trainer.teacher)
        batch = batch or first_batch(trainer)
        results.append([trainer.train_step(copy.deepcopy(batch)) for _ in range(2)])
    torch._dynamo.reset()
    for plain, of_compiled in zip(*results, strict=True):
        assert of_compiled == pytest.approx(plain, rel=1e-3, abs=1e-5)


def without_dropout(network):
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d | torch.nn.Dropout3d):
            module.p = 0.0


def test_the_shared_teacher_is_the_sum_of_two_passes_through_one_network(started, first_batch):
    """One forward pass of both images has the terms and gradients of a pass for each."""
    again = started("shared")
    batch = first_batch(again)
    without_dropout(again.network)

    def forward(student, image, masked, return_attention):
        return student(image, True, return_attention), student(masked, True, return_attention)

    again._teacher.forward = forward
    expected = again.train_step(copy.deepcopy(batch))
    trainer = started("shared")
    without_dropout(trainer.network)
    result = trainer.train_step(copy.deepcopy(batch))
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    for (name, one), other in zip(trainer.network.named_parameters(), again.network.parameters(), strict=True):
        if other.grad is not None:
            scale = float(other.grad.abs().max())
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-3 * scale + 1e-6, msg=name)


def test_distillation_does_not_pull_the_shared_weights_towards_the_masked_image(started, first_batch):
    """The features of the whole image are constants to the distillation terms, unless co-training is asked for."""
    gradients = []
    for co_training in (False, True):
        trainer = started("shared", settings={"co_training": co_training})
        batch = first_batch(trainer)
        image, available = trainer.available_image(batch)
        mask = trainer.training_mask(available)
        target = trainer._step_target(batch["target"], mask, available)
        masked = image * mask[:, :, None, None, None]
        teacher, student = trainer._teacher.forward(trainer.network, image, masked, True)
        assert teacher.encoded.requires_grad
        term = trainer._terms(teacher, student, target, trainer.regressor)["consistency"]
        (gradient,) = torch.autograd.grad(term, teacher.logits[0], allow_unused=True)
        gradients.append(gradient)
    assert gradients[0] is None
    assert gradients[1].abs().sum() > 0


def test_the_ema_teacher_is_the_running_mean(started, first_batch):
    trainer = started("ema", settings={"teacher_ema_decay": 0.5})
    batch = first_batch(trainer)
    expected = weights(trainer.network)
    assert not differing(expected, trainer.teacher.state_dict())
    for decay in (1 / 10, 2 / 11):
        trainer.train_step(copy.deepcopy(batch))
        new = trainer.network.state_dict()
        expected = {name: decay * value + (1 - decay) * new[name] for name, value in expected.items()}
        for name, value in trainer.teacher.state_dict().items():
            torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)
    assert differing(trainer.network.state_dict(), trainer.teacher.state_dict())


@pytest.mark.parametrize(("steps", "expected"), [(0, 0.1), (90, 0.91), (10**6, 0.999)])
def test_the_decay_warms_up(steps, expected):
    assert warmed_up_decay(0.999, steps) == pytest.approx(expected)


def test_pretrained_weights_start_the_mean_too(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD", settings={"teacher": "ema"})
    trainer.initialize()
    other = {name: value + 1 for name, value in trainer.network.state_dict().copy().items()}
    trainer.network.load_state_dict({**dict.copy(trainer.network.state_dict()), **other})
    assert not differing(trainer.network.state_dict(), trainer.teacher.state_dict())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD_noMSTKD", "nnUNetTrainerMSTKD_noGSME"])
def test_ablations_have_every_kind_of_teacher(started, first_batch, donor_checkpoint, kind, name):
    trainer = started(kind, name)  # a frozen one has parts that no term needs
    result = trainer.train_step(first_batch(trainer))
    assert all(math.isfinite(value) for value in result.values())


# --- A frozen teacher -------------------------------------------------------------------------------------------------


def test_a_frozen_teacher_never_changes(started, first_batch, donor_checkpoint):
    file = donor_checkpoint(settings={"seed": 77})
    donated = torch.load(file, weights_only=False)["network_weights"]
    trainer = started("frozen", settings={"teacher_checkpoint": str(file)})
    batch = first_batch(trainer)
    for _ in range(2):
        trainer.train_step(copy.deepcopy(batch))
    assert not differing(donated, trainer.teacher.state_dict())


@pytest.mark.parametrize("name", ["nnUNetTrainer", "nnUNetTrainerModalityDropout"])
def test_a_plain_network_teaches_by_its_logits(started, first_batch, donor_checkpoint, name):
    file = str(donor_checkpoint(name))
    trainer = started("frozen", settings={"teacher_checkpoint": file, **LOGITS_ALONE})
    image = torch.randn(1, 4, *trainer.configuration_manager.patch_size)
    result = trainer.train_step(first_batch(trainer))
    assert result["loss_consistency"] > 0
    assert result["loss_logits"] > 0
    with torch.no_grad():
        assert torch.isfinite(trainer.teacher(image)[0]).all()


def test_a_plain_network_is_refused_where_features_are_compared(started, donor_checkpoint):
    file = str(donor_checkpoint("nnUNetTrainer"))
    with pytest.raises(SettingsError, match=r"nnUNetTrainer, has none.*'weight_multiscale'.*'weight_style_matching'"):
        started("frozen", settings={"teacher_checkpoint": file})


def test_a_missing_file_is_told_before_the_training(started, tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no file .*nowhere\.pth"):
        started("frozen", settings={"teacher_checkpoint": str(tmp_path / "nowhere.pth")})


def test_a_teacher_of_another_dataset_is_refused(started, donor_checkpoint):
    file = str(donor_checkpoint(variant="labels"))
    with pytest.raises(SettingsError, match=r"does not fit\. Its labels is .*that of this run is"):
        started("frozen", settings={"teacher_checkpoint": file})


def test_a_teacher_of_another_configuration_is_refused(started, donor_checkpoint):
    file = str(donor_checkpoint(configuration="2d"))
    with pytest.raises(SettingsError, match=r"Its configuration is '2d', that of this run is '3d_fullres'"):
        started("frozen", settings={"teacher_checkpoint": file})


def test_a_teacher_of_another_size_is_refused(started, donor_checkpoint):
    file = str(donor_checkpoint("nnUNetTrainerMSTKDPaper"))
    with pytest.raises(SettingsError, match=r"is of another network than these plans.*'preset'"):
        started("frozen", settings={"teacher_checkpoint": file})


def test_a_teacher_of_one_subset_is_refused(started, donor_checkpoint):
    file = str(donor_checkpoint("nnUNetTrainerModalityDropout", settings={"fixed_subset": "T1"}))
    with pytest.raises(SettingsError, match=r"anything but 'T1'"):
        started("frozen", settings={"teacher_checkpoint": file, **LOGITS_ALONE})


def test_a_teacher_that_would_execute_code_is_refused(started, tmp_path):
    file = tmp_path / "strange.pth"
    torch.save({"network_weights": {}, "trainer_name": Path.cwd, "init_args": {}}, file)
    with pytest.raises(CheckpointError, match="execute code"):
        started("frozen", settings={"teacher_checkpoint": str(file)})


def test_each_fold_can_have_its_own_teacher(started, donor_checkpoint, monkeypatch, tmp_path):
    for fold in (0, 1):
        donor_checkpoint(file=f"fold_{fold}.pth", fold=fold, settings={"seed": 70 + fold})
    monkeypatch.setenv("TEACHERS", str(tmp_path))
    first, second = (
        started("frozen", settings={"teacher_checkpoint": "$TEACHERS/fold_{fold}.pth"}, fold=fold) for fold in (0, 1)
    )
    assert differing(first.teacher.state_dict(), second.teacher.state_dict())
    assert "has seen validation cases" not in Path(second.log_file).read_text()


def test_a_teacher_that_has_seen_the_validation_cases_is_told(started, donor_checkpoint):
    file = str(donor_checkpoint(fold=1))
    trainer = started("frozen", settings={"teacher_checkpoint": file})
    log = Path(trainer.log_file).read_text()
    assert "trained on fold 1: it has seen validation cases of fold 0" in log
    assert f"Teacher: {file}, SHA-256" in log


@pytest.mark.slow
def test_an_exported_model_can_teach(started, trained_model, tmp_path):
    from nnunetv2_mstkd.sharing.plain_checkpoint import plain_checkpoint

    folder = trained_model("nnUNetTrainerMSTKD_1epoch")
    exported = tmp_path / "model" / "fold_0"
    exported.mkdir(parents=True)
    for name in ("plans.json", "dataset.json"):
        (exported.parent / name).write_bytes((folder / name).read_bytes())
    checkpoint = torch.load(folder / "fold_0" / "checkpoint_final.pth", weights_only=False)
    torch.save(plain_checkpoint(checkpoint), exported / "checkpoint_final.pth")
    trainer = started("frozen", settings={"teacher_checkpoint": str(exported / "checkpoint_final.pth")})
    assert not differing(checkpoint["network_weights"], trainer.teacher.state_dict())


# --- Validation, record and checkpoints -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_and_continued_run_equals_an_uninterrupted_one(
    make_trainer, donor_checkpoint, recorded_batches, monkeypatch, kind
):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **kwargs: Path(file).touch())
    settings = {"teacher": kind}
    if kind == "frozen":
        settings["teacher_checkpoint"] = str(donor_checkpoint())
    whole = make_trainer("nnUNetTrainerMSTKD_3epochs", fold=0, settings=settings)
    whole.initialize()
    batches = recorded_batches.record(whole, num_epochs=3)
    batches.feed(whole)
    whole.run_training()
    killed = make_trainer("nnUNetTrainerMSTKD_3epochs", fold=1, settings=settings)
    batches.feed(killed, stop_at=(1, 1))
    with pytest.raises(InterruptedError):
        killed.run_training()
    latest = Path(killed.output_folder) / "checkpoint_latest.pth"
    continued = make_trainer("nnUNetTrainerMSTKD_3epochs", fold=1, settings=settings, continue_training=True)
    continued.load_checkpoint(str(latest))
    batches.feed(continued)
    continued.run_training()
    for network in ("network", "teacher", "discriminator"):
        assert not differing(getattr(whole, network).state_dict(), getattr(continued, network).state_dict())
    rows = [[{k: repr(float(v)) for k, v in row.items()} for row in t.metrics_log.rows] for t in (whole, continued)]
    assert rows[0] == rows[1]
    assert ("dice_teacher_all" in whole.metrics_log.rows[0]) == (kind != "shared")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("network", {"teacher_weights"}),
        ("shared", set()),
        ("ema", {"teacher_weights"}),
        ("frozen", {"teacher_sha256"}),
    ],
)
def test_the_training_state_has_what_is_needed_and_no_more(started, kind, expected):
    trainer = started(kind)
    assert set(trainer.training_state()) == {"optimizer_state", "grad_scaler_state", "adversaries"} | expected


def test_a_teacher_that_was_replaced_is_refused(make_trainer, donor_checkpoint, tmp_path):
    settings = {"teacher": "frozen", "teacher_checkpoint": str(donor_checkpoint(settings={"seed": 1}))}
    trainer = make_trainer("nnUNetTrainerMSTKD_2epochs", settings=settings)
    trainer.on_train_start()
    file = str(tmp_path / "checkpoint_latest.pth")
    trainer.save_checkpoint(file)
    donor_checkpoint(settings={"seed": 2})
    continued = make_trainer("nnUNetTrainerMSTKD_2epochs", settings=settings, continue_training=True)
    continued.load_checkpoint(file)
    with pytest.raises(CheckpointError, match="no longer the teacher that this training began with"):
        continued.on_train_start()


def test_a_finished_run_is_validated_without_its_teacher(make_trainer, donor_checkpoint, tmp_path):
    donor = donor_checkpoint()
    settings = {"teacher": "frozen", "teacher_checkpoint": str(donor)}
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch", settings=settings)
    trainer.on_train_start()
    file = str(tmp_path / "checkpoint_final.pth")
    trainer.save_checkpoint(file)
    donor.unlink()
    again = make_trainer("nnUNetTrainerMSTKD_1epoch", settings=settings, continue_training=True)
    again.load_checkpoint(file)
    again.set_deep_supervision_enabled(False)
    assert not differing(trainer.network.state_dict(), again.network.state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_deep_supervision_is_switched_in_student_and_teacher(started, kind):
    trainer = started(kind)
    image = torch.randn(1, 4, *trainer.configuration_manager.patch_size)
    trainer.set_deep_supervision_enabled(False)
    with torch.no_grad():
        assert isinstance(trainer.network(image), torch.Tensor)
        assert isinstance(trainer.teacher(image), torch.Tensor)
