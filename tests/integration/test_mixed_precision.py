"""The training step under autocast and GradScaler, as on a GPU, on the CPU's own versions of both."""

import pytest
import torch
from torch import GradScaler

pytestmark = pytest.mark.slow
METHODS = (
    "nnUNetTrainerACN",
    "nnUNetTrainerSMUNet",
    "nnUNetTrainerRAHVED",
    "nnUNetTrainerRMBTS",
    "nnUNetTrainerMMFormer",
    "nnUNetTrainerM2FTrans",
)


@pytest.fixture
def step(make_trainer, first_batch):
    """Return a function that builds a trainer in a precision and runs one step, on the same batch each time."""
    recorded = []

    def run(dtype=None, initial_scale=2.0**16):
        trainer = make_trainer("nnUNetTrainerMSTKD_1epoch")
        if dtype is not None:
            trainer.autocast = lambda: torch.autocast("cpu", dtype=dtype)
        if dtype == torch.float16:
            trainer.grad_scaler = GradScaler("cpu", init_scale=initial_scale)
        trainer.initialize()
        if not recorded:
            recorded.append(first_batch(trainer))
        before = {name: [p.clone() for p in network.parameters()] for name, network in networks(trainer).items()}
        return trainer, trainer.train_step(recorded[0]), before

    return run


def networks(trainer):
    return {"student": trainer.network, "teacher": trainer.teacher, "discriminator": trainer.discriminator}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_losses_in_half_precision_are_close_to_full_precision(step, dtype):
    _, full, _ = step()
    _, half, _ = step(dtype)
    for name, value in full.items():
        # bfloat16 keeps 8 bits, and errors add up over a few dozen layers
        assert float(half[name]) == pytest.approx(float(value), rel=0.15, abs=2e-3), name


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16], ids=str)
def test_step_changes_student_teacher_and_discriminator(step, dtype):
    trainer, _, before = step(dtype)
    for name, network in networks(trainer).items():
        changed = [not torch.equal(old, new) for old, new in zip(before[name], network.parameters(), strict=True)]
        assert any(changed), name


def test_step_skipped_by_the_grad_scaler_does_not_stop_the_run(step):
    # a scale at the edge of float32 makes every gradient infinite: the scaler skips the step and halves the scale
    trainer, losses, before = step(torch.float16, initial_scale=2.0**127)
    assert trainer.grad_scaler.get_scale() == 2.0**126
    assert torch.isfinite(torch.tensor(float(losses["loss_total"])))
    assert all(torch.equal(old, new) for old, new in zip(before["student"], trainer.network.parameters(), strict=True))


def test_recorded_gradient_norms_do_not_depend_on_the_scale(step):
    plain, _, _ = step()
    scaled, _, _ = step(torch.float16)
    norms = [name for name in plain.record if name.startswith("gradient_")]
    assert len(norms) > 5
    for name in norms:
        # half precision: the order of magnitude is what a forgotten scale of 65536 would change
        assert scaled.record[name] == pytest.approx(plain.record[name], rel=0.5, abs=1e-9), name


# --- The other methods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_in_float16_with_a_scaler(make_trainer, first_batch, name):
    trainer = make_trainer(f"{name}_1epoch")
    trainer.autocast = lambda: torch.autocast("cpu", torch.float16)
    trainer.grad_scaler = GradScaler("cpu")
    trainer.initialize()
    trainer.on_train_epoch_start()
    parts = trainer.trained_networks()
    before = [[weight.clone() for weight in part.parameters()] for part in parts]
    result = trainer.train_step(first_batch(trainer))
    assert all(torch.isfinite(torch.tensor(float(value))) for value in result.values())
    assert trainer.grad_scaler.get_scale() == 2.0**16  # no step was skipped
    for part, old in zip(parts, before, strict=True):
        assert any(not torch.equal(*pair) for pair in zip(part.parameters(), old, strict=True))
        assert all(weight.isfinite().all() for weight in part.parameters())


# --- The setting cpu_precision ----------------------------------------------------------------------------------------


@pytest.fixture
def in_bfloat16(make_trainer):
    """Return a function that makes an initialised trainer with the setting, and lists its logits' dtypes."""

    def make(name):
        trainer = make_trainer(name, settings={"cpu_precision": "bfloat16"})
        trainer.initialize()
        seen = []
        head = trainer.network.decoder.seg_layers[-1]
        head.register_forward_hook(lambda layer, inputs, logits: seen.append(logits.dtype))
        return trainer, seen

    return make


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_networks_are_trained_in_bfloat16_and_the_loss_is_not(in_bfloat16, first_batch, name):
    trainer, seen = in_bfloat16(name)
    loss, dtypes = trainer.loss, []

    def recorded(logits, target):
        dtypes.extend(scale.dtype for scale in logits)
        return loss(logits, target)

    trainer.loss = recorded
    result = trainer.train_step(first_batch(trainer))
    assert set(seen) == {torch.bfloat16}
    assert set(dtypes) == {torch.float32}
    assert all(torch.isfinite(torch.tensor(float(value))) for value in result.values())
    assert all(p.dtype is torch.float32 for p in trainer.network.parameters())


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_nnunets_validation_step_runs_in_bfloat16_too(in_bfloat16, first_batch, name):
    trainer, seen = in_bfloat16(name)
    trainer.on_validation_epoch_start()
    network = trainer.network
    with torch.no_grad():
        result = trainer.validation_step(first_batch(trainer))
    assert set(seen) == {torch.bfloat16}
    assert trainer.network is network
    assert torch.isfinite(torch.tensor(float(result["loss"])))
