"""nnUNetTrainerRAHVED: which subsets it draws, which terms a step has, and what its checkpoints hold."""

import copy
import functools

import numpy as np
import pytest
import torch

from nnunetv2_mstkd.architectures.multi_encoder.ra_hved import RAHVEDNetwork
from nnunetv2_mstkd.distillation.settings import RAHVEDSettings

NAME = "nnUNetTrainerRAHVED"
TERMS = {"segmentation", "full_segmentation", "reconstruction", "latent_kl", "adversarial", "discriminator", "total"}


@pytest.fixture
def prepared(prepare):
    """Return a function that gives an initialised trainer and a batch of it as a step takes it."""
    return functools.partial(prepare, NAME)


# --- Subsets ----------------------------------------------------------------------------------------------------------


def test_every_subset_is_drawn(make_trainer):
    """The released code never draws T1, T2 and FLAIR without T1c."""
    trainer = make_trainer(NAME)
    everything = np.full(200, 2 ** len(trainer.modalities) - 1)
    drawn = {tuple(row) for row in trainer.training_mask(everything).tolist()}
    assert len(drawn) == 2 ** len(trainer.modalities) - 1
    without = tuple(index != trainer.modalities.names.index("T1ce") for index in range(4))
    assert without in drawn


def test_each_image_is_seen_whole_and_in_part(prepared):
    trainer, batch = prepared()
    seen = trainer.seen(batch)
    assert torch.equal(seen, torch.cat((batch.available, batch.modality_mask)))
    features = trainer.network(batch.image, seen, True)
    assert len(features.logits[0]) == 2 * len(batch.image)
    assert features.encoded == []  # no loss reads it


# --- A step -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["regions", "labels_ignore", "two_modalities", "anisotropic"])
def test_a_step_has_every_term_and_moves_every_part(make_trainer, first_batch, variant):
    trainer = make_trainer(f"{NAME}_4epochs", variant)
    trainer.initialize()
    trainer.on_train_epoch_start()
    parts = {"network": trainer.network, "auxiliary": trainer.auxiliary, "adversary": trainer.adversary.discriminator}
    before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
    result = trainer.train_step(first_batch(trainer))
    assert set(result) == {"loss", *(f"loss_{term}" for term in TERMS)}
    assert all(np.isfinite(value) for value in result.values())
    for name, part in parts.items():
        moved = [not torch.equal(weight, before[name][key]) for key, weight in part.state_dict().items()]
        assert sum(moved) > len(moved) / 2, name
    assert trainer.judged is None  # nothing of the step is kept


def test_it_trains_in_two_dimensions(make_trainer, first_batch):
    trainer = make_trainer(NAME, configuration="2d")
    trainer.initialize()
    assert isinstance(trainer.network, RAHVEDNetwork)
    assert np.isfinite(trainer.train_step(first_batch(trainer))["loss_total"])


def test_the_total_is_weighted_as_the_method_does(make_trainer, first_batch):
    trainer = make_trainer(NAME)
    trainer.initialize()
    result = trainer.train_step(first_batch(trainer))
    weights = {"segmentation": 1, "full_segmentation": 1, "reconstruction": 0.2, "latent_kl": 0.2, "adversarial": 0.1}
    assert result["loss_total"] == pytest.approx(sum(w * result[f"loss_{t}"] for t, w in weights.items()), rel=1e-5)


def test_every_weight_has_a_gradient_whatever_is_missing(prepared, terms_of, only):
    """Under DDP: also where a modality is in no sample's subset, and in no case."""
    trainer, batch = prepared()
    mask = only(batch, 1)
    terms = terms_of(trainer, batch, available=mask, modality_mask=mask)
    torch.stack(list(terms.values())).sum().backward()
    for part in trainer.trained_networks():
        unused = [name for name, parameter in part.named_parameters() if parameter.grad is None]
        # nnU-Net's loss gives the coarsest scale of deep supervision no weight, unless it runs under DDP
        assert all(name.startswith("decoder.seg_layers.0.") for name in unused)


def test_only_what_a_case_has_is_rebuilt(prepared, terms_of):
    trainer, batch = prepared()
    available = torch.ones_like(batch.available)
    available[:, 2] = False
    other = batch.image.clone()
    other[:, 2] = 100
    terms = [
        terms_of(trainer, batch, available=available, modality_mask=available, image=i) for i in (batch.image, other)
    ]
    assert terms[0]["reconstruction"] == terms[1]["reconstruction"]
    decoders = trainer.auxiliary.decoders
    terms[0]["reconstruction"].backward()
    assert [decoder.decoder.seg_layers[-1].weight.grad.any().item() for decoder in decoders] == [
        True,
        True,
        False,
        True,
    ]


def test_what_was_dropped_is_rebuilt_too(prepared, terms_of, only):
    trainer, batch = prepared()
    drawn = only(batch, 0)
    terms_of(trainer, batch, modality_mask=drawn)["reconstruction"].backward()
    assert all(decoder.decoder.seg_layers[-1].weight.grad.any() for decoder in trainer.auxiliary.decoders)


@pytest.mark.parametrize("term", sorted(TERMS - {"discriminator", "total"}))
def test_every_term_but_one_is_of_the_subset(prepared, term, terms_of, only):
    trainer, batch = prepared()
    drawn = only(batch, 3)
    terms_of(trainer, batch, modality_mask=drawn)[term].backward()
    gradients = [reductions[0].weight.grad for reductions in trainer.network.reductions]
    reached = [gradient is not None and gradient.any().item() for gradient in gradients]
    assert reached == [term == "full_segmentation"] * 3 + [True]


def test_without_both_weights_nothing_is_rebuilt(make_trainer, first_batch):
    trainer = make_trainer(NAME, settings={"weight_adversarial": 0, "weight_reconstruction": 0})
    trainer.initialize()
    assert trainer.auxiliary is None
    result = trainer.train_step(first_batch(trainer))
    assert set(result) == {
        "loss",
        *(f"loss_{term}" for term in ("segmentation", "full_segmentation", "latent_kl", "total")),
    }


# --- What is kept -----------------------------------------------------------------------------------------------------


def test_the_model_is_what_predicts(make_trainer):
    trainer = make_trainer(NAME)
    trainer.initialize()
    predicting = trainer.build_network_architecture(
        trainer.plans_manager, trainer.configuration_manager, 4, 3, enable_deep_supervision=False
    )
    predicting.load_state_dict(trainer.network.state_dict(), strict=True)
    parts = {key.split(".")[0] for key in trainer.network.state_dict()}
    assert parts == {"encoders", "decoder", "reductions", "expansions", "attentive_skips"}


def test_the_training_state_holds_all_that_is_trained(make_trainer, first_batch):
    trainer, other = (make_trainer(f"{NAME}_4epochs", settings={"seed": seed}) for seed in (0, 1))
    for each in (trainer, other):
        each.initialize()
    trainer.train_step(first_batch(trainer))
    other.load_training_state(copy.deepcopy(trainer.training_state()))
    for one, two in (
        (trainer.auxiliary, other.auxiliary),
        (trainer.adversary.discriminator, other.adversary.discriminator),
    ):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    steps = [each.adversary.optimizer.state_dict()["state"][0]["step"].item() for each in (trainer, other)]
    assert steps == [1, 1]


def test_the_defaults_are_the_methods_weights():
    settings = RAHVEDSettings()
    assert (settings.weight_full_segmentation, settings.weight_reconstruction) == (1, 0.2)
    assert (settings.weight_latent_kl, settings.weight_adversarial, settings.discriminator_lr) == (0.2, 0.1, 1e-4)
