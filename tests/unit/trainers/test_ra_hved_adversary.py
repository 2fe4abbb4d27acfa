"""nnUNetTrainerRAHVED's discriminator: what it judges, what it learns from, and its checkpoints."""

import dataclasses
import functools

import pytest
import torch

from nnunetv2_mstkd.architectures.image_discriminator import ImageDiscriminator
from nnunetv2_mstkd.distillation.step_target import valid_voxels
from nnunetv2_mstkd.errors import CheckpointError

NAME = "nnUNetTrainerRAHVED"


@pytest.fixture
def prepared(prepare):
    """Return a function that gives an initialised trainer and a batch of it as a step takes it."""
    return functools.partial(prepare, NAME)


def widths_of(discriminator):
    return [layer.out_channels for layer in discriminator.layers if hasattr(layer, "out_channels")]


def test_the_discriminator_is_as_wide_as_the_plan_and_its_encoders_are_not(make_trainer):
    trainer = make_trainer(NAME)
    trainer.initialize()
    planned = trainer.configuration_manager.network_arch_init_kwargs["features_per_stage"][:4]
    assert widths_of(trainer.adversary.discriminator) == [*planned, 1]
    assert list(trainer.network.encoder_features[:4]) != list(planned)


def test_a_checkpoint_of_a_narrower_discriminator_is_not_continued(make_trainer, tmp_path):
    """It had the widths of a modality's encoder; the network itself is the same."""
    writer, reader = make_trainer(f"{NAME}_4epochs"), make_trainer(f"{NAME}_4epochs")
    writer.initialize()
    network = writer.network
    channels = writer.adversary.discriminator.layers[0].in_channels
    narrow = ImageDiscriminator(network.encoders[0], network.encoder_features, channels)
    writer.adversary.discriminator = narrow
    file = tmp_path / "checkpoint_latest.pth"
    writer.save_checkpoint(str(file))
    with pytest.raises(CheckpointError, match="discriminator of the checkpoint is not built as"):
        reader.load_checkpoint(str(file))
    # for prediction the weights of the network are all that is read
    reader.network.load_state_dict(torch.load(file, weights_only=False)["network_weights"], strict=True)


def test_where_nothing_was_dropped_there_is_nothing_made(prepared, terms_of, only):
    trainer, batch = prepared()
    term = terms_of(trainer, batch, modality_mask=batch.available)["adversarial"]
    assert term.item() == 0
    in_part = only(batch, 0)
    assert terms_of(trainer, batch, modality_mask=in_part)["adversarial"].item() > 0


def test_the_discriminators_loss_trains_no_network_and_theirs_not_the_discriminator(prepared, only):
    trainer, batch = prepared()
    drawn = only(batch, 0)
    batch = dataclasses.replace(batch, modality_mask=drawn)
    features = trainer.network(batch.image, trainer.seen(batch), True)
    trainer.loss_terms(batch, features)["adversarial"].backward()
    assert all(parameter.grad is None for parameter in trainer.adversary.discriminator.parameters())
    assert trainer.auxiliary.decoders[0].narrowings[0].weight.grad.any()
    for part in trainer.trained_networks():
        part.zero_grad(set_to_none=True)
    trainer.after_step(batch, features)
    assert all(parameter.grad is None for part in trainer.trained_networks() for parameter in part.parameters())
    assert all(parameter.grad is not None for parameter in trainer.adversary.discriminator.parameters())


def test_the_discriminator_learns_which_is_made_of_all(prepared, only):
    trainer, batch = prepared(settings={"discriminator_lr": 0.01})
    drawn = only(batch, 0)
    batch = dataclasses.replace(batch, modality_mask=drawn)
    with torch.no_grad():
        features = trainer.network(batch.image, trainer.seen(batch), True)
        trainer.loss_terms(batch, features)
    judged = trainer.judged
    losses = []
    for _ in range(15):
        trainer.judged = judged
        losses.append(trainer.after_step(batch, features)["discriminator"].item())
    assert losses[-1] < 0.5 * losses[0]
    # weights 0.1 and one half: 0.05 * (made^2 + (real - 1)^2)
    made, real = (trainer.adversary.discriminator(images) for images in judged)
    trainer.judged = judged
    expected = 0.05 * (made.square().mean() + (real - 1).square().mean())
    torch.testing.assert_close(trainer.after_step(batch, features)["discriminator"], expected)


def test_a_case_that_lacks_something_is_no_example_of_what_is_made_of_all(prepared, terms_of):
    trainer, batch = prepared()
    available = torch.ones_like(batch.available)
    available[1, 2] = False
    # nothing is dropped: of the discriminator's loss the part of complete cases is left
    batch = dataclasses.replace(batch, available=available, modality_mask=available)
    terms_of(trainer, batch)
    judged = trainer.judged
    real = trainer.adversary.discriminator(judged[1])
    loss = trainer.after_step(batch, None)["discriminator"]
    torch.testing.assert_close(loss, 0.05 * (real[0] - 1).square().mean() / 2)
    assert (real[1] - 1).any()


@pytest.mark.parametrize("variant", ["labels_ignore", "regions_ignore"])
def test_what_is_ignored_has_no_influence_on_the_probabilities_that_are_judged(
    make_trainer, first_batch, variant, terms_of
):
    trainer = make_trainer(f"{NAME}_4epochs", variant)
    trainer.initialize()
    batch = trainer._prepare(first_batch(trainer))
    valid = valid_voxels(batch.target, trainer.label_manager.has_regions, trainer.label_manager.ignore_label)
    assert (~valid).any()
    terms_of(trainer, batch)
    classes = trainer.label_manager.num_segmentation_heads
    for judged in trainer.judged:
        probabilities = judged[:, :classes]
        assert not probabilities.masked_select(~valid).any()
        assert probabilities.masked_select(valid).any()


def test_without_a_discriminator_nothing_is_rebuilt_for_it(make_trainer, first_batch):
    trainer = make_trainer(NAME, settings={"weight_adversarial": 0})
    trainer.initialize()
    calls = []
    for decoder in trainer.auxiliary.decoders:
        decoder.register_forward_hook(lambda *_: calls.append(1))
    trainer.train_step(first_batch(trainer))
    assert len(calls) == len(trainer.modalities)


def test_without_its_weight_there_is_no_discriminator(make_trainer, first_batch):
    trainer = make_trainer(NAME, settings={"weight_adversarial": 0})
    trainer.initialize()
    assert trainer.adversary is None
    result = trainer.train_step(first_batch(trainer))
    left = ("segmentation", "full_segmentation", "reconstruction", "latent_kl", "total")
    assert set(result) == {"loss", *(f"loss_{term}" for term in left)}
    assert trainer.training_state()["adversaries"] == {}


@pytest.mark.parametrize("weight", [0.1, 0])
def test_a_checkpoint_from_before_there_were_adversaries_is_continued(make_trainer, first_batch, tmp_path, weight):
    settings = {"weight_adversarial": weight}
    writer, reader = (make_trainer(f"{NAME}_4epochs", settings=settings) for _ in range(2))
    writer.initialize()
    writer.train_step(first_batch(writer))
    file = tmp_path / "checkpoint_latest.pth"
    writer.save_checkpoint(str(file))
    checkpoint = torch.load(file, weights_only=False)
    state = checkpoint["training_state"]
    state["adversary_state"] = state.pop("adversaries").get("adversarial")  # None without a discriminator
    torch.save(checkpoint, file)
    reader.load_checkpoint(str(file))
    assert (reader.adversary is None) is (weight == 0)
    if weight:
        weights, taken = (each.adversary.discriminator.state_dict() for each in (writer, reader))
        assert all(torch.equal(value, taken[name]) for name, value in weights.items())
        assert reader.adversary.optimizer.state_dict()["state"][0]["step"].item() == 1


def test_the_discriminators_learning_rate_decays(make_trainer):
    trainer = make_trainer(f"{NAME}_4epochs")
    trainer.initialize()
    trainer.current_epoch = 2
    trainer.on_train_epoch_start()
    assert trainer.adversary.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4 * 0.5**0.9)
