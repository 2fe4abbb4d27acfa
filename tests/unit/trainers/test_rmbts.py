"""nnUNetTrainerRMBTS: which subsets it draws, which terms a step has, and what its checkpoints hold."""

import copy
import functools

import numpy as np
import pytest
import torch

from nnunetv2_mstkd.architectures.multi_encoder.rmbts import RMBTSNetwork
from nnunetv2_mstkd.distillation.settings import RMBTSSettings

NAME = "nnUNetTrainerRMBTS"
TERMS = {"segmentation", "reconstruction", "style_kl", "total"}


@pytest.fixture
def prepared(prepare):
    """Return a function that gives an initialised trainer and a batch of it as a step takes it."""
    return functools.partial(prepare, NAME)


# --- Subsets ----------------------------------------------------------------------------------------------------------


def test_single_modalities_are_drawn_as_often_as_other_subsets(make_trainer):
    """The released draw, a coin for each and one switched on where all are off: 5/64 for a single one, else 4/64."""
    trainer = make_trainer(NAME)
    sizes = trainer.training_mask(np.full(4000, 15)).sum(1)
    singles = (sizes == 1).float().mean().item()
    assert singles == pytest.approx(4 / 15, abs=0.02)  # released: 20/64 = 0.3125; the standard error is 0.007


# --- A step -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["regions", "labels_ignore", "two_modalities", "anisotropic"])
def test_a_step_has_every_term_and_moves_every_part(make_trainer, first_batch, variant):
    trainer = make_trainer(f"{NAME}_4epochs", variant)
    trainer.initialize()
    trainer.on_train_epoch_start()
    parts = {"network": trainer.network, "auxiliary": trainer.auxiliary}
    before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
    result = trainer.train_step(first_batch(trainer))
    assert set(result) == {"loss", *(f"loss_{term}" for term in TERMS)}
    assert all(np.isfinite(value) for value in result.values())
    for name, part in parts.items():
        moved = [not torch.equal(weight, before[name][key]) for key, weight in part.state_dict().items()]
        assert sum(moved) > len(moved) / 2, name


def test_it_trains_in_two_dimensions(make_trainer, first_batch):
    trainer = make_trainer(NAME, configuration="2d")
    trainer.initialize()
    assert isinstance(trainer.network, RMBTSNetwork)
    assert np.isfinite(trainer.train_step(first_batch(trainer))["loss_total"])


def test_the_total_is_weighted_as_the_method_does(make_trainer, first_batch):
    """0.1 for each of four modalities; the terms are means over the modalities."""
    trainer = make_trainer(NAME)
    trainer.initialize()
    result = trainer.train_step(first_batch(trainer))
    expected = result["loss_segmentation"] + 0.4 * result["loss_reconstruction"] + 0.4 * result["loss_style_kl"]
    assert result["loss_total"] == pytest.approx(expected, rel=1e-5)


def test_the_terms_of_a_complete_batch_are_the_released_ones(prepared, terms_of):
    trainer, batch = prepared()
    terms = terms_of(trainer, batch)
    features = trainer.network(batch.image, batch.modality_mask, True)
    rebuilt = trainer.auxiliary(batch.image, features.fused)
    torch.testing.assert_close(terms["reconstruction"], (rebuilt.images - batch.image).abs().mean())
    divergence = (rebuilt.means**2 + rebuilt.log_variances.exp() - 1 - rebuilt.log_variances) / 2
    torch.testing.assert_close(terms["style_kl"], divergence.sum(2).mean())


def test_every_weight_has_a_gradient_whatever_is_missing(prepared, terms_of, only):
    """Under DDP: also where a modality is in no sample's subset, and in no case."""
    trainer, batch = prepared()
    terms = terms_of(trainer, batch, available=only(batch, 1), modality_mask=only(batch, 1))
    torch.stack(list(terms.values())).sum().backward()
    for part in trainer.trained_networks():
        unused = [name for name, parameter in part.named_parameters() if parameter.grad is None]
        # nnU-Net's loss gives the coarsest scale of deep supervision no weight, unless it runs under DDP
        assert all(name.startswith("decoder.seg_layers.0.") for name in unused)


def test_only_what_a_case_has_is_rebuilt(prepared, terms_of, only):
    trainer, batch = prepared()
    there = only(batch, 0, 1, 3)
    other = batch.image.clone()
    other[:, 2] = 100
    one, two = (terms_of(trainer, batch, available=there, modality_mask=there, image=i) for i in (batch.image, other))
    assert all(torch.equal(one[name], two[name]) for name in ("segmentation", "reconstruction", "style_kl"))
    (one["reconstruction"] + one["style_kl"]).backward()
    for parts in (trainer.auxiliary.decoders, trainer.auxiliary.style_encoders):
        reached = [any(p.grad.any().item() for p in part.parameters()) for part in parts]
        assert reached == [True, True, False, True]


def test_what_was_dropped_is_rebuilt_too(prepared, terms_of, only):
    trainer, batch = prepared()
    terms_of(trainer, batch, modality_mask=only(batch, 0))["reconstruction"].backward()
    assert all(decoder.upward[-1].weight.grad.any() for decoder in trainer.auxiliary.decoders)


def test_images_are_rebuilt_from_what_was_drawn(prepared, terms_of, only):
    trainer, batch = prepared()
    terms_of(trainer, batch, modality_mask=only(batch, 3))["reconstruction"].backward()
    reached = [any(p.grad.any().item() for p in encoder.parameters()) for encoder in trainer.network.encoders]
    assert reached == [False, False, False, True]


def test_styles_are_no_matter_of_the_segmentation(prepared, terms_of):
    trainer, batch = prepared()
    terms = terms_of(trainer, batch)
    terms["segmentation"].backward()
    assert all(p.grad is None for p in trainer.auxiliary.parameters())
    trainer.network.zero_grad(set_to_none=True)
    terms["style_kl"].backward()
    assert all(p.grad is None for p in trainer.network.parameters())
    assert any(p.grad is not None for p in trainer.auxiliary.parameters())


def test_half_precision_changes_little(make_trainer, first_batch):
    results, batch = [], None
    for precision in ("float32", "bfloat16"):
        trainer = make_trainer(NAME, settings={"cpu_precision": precision})
        trainer.initialize()
        batch = batch or first_batch(trainer)
        results.append(trainer.train_step(copy.deepcopy(batch)))
    for term in ("segmentation", "reconstruction", "style_kl"):
        assert results[1][f"loss_{term}"] == pytest.approx(results[0][f"loss_{term}"], rel=0.05, abs=0.02), term


@pytest.mark.parametrize("settings", [{"weight_reconstruction": 0}, {"weight_style_kl": 0}])
def test_either_term_can_be_left_out(make_trainer, first_batch, settings):
    trainer = make_trainer(NAME, settings=settings)
    trainer.initialize()
    assert np.isfinite(trainer.train_step(first_batch(trainer))["loss_total"])
    assert not [name for name, p in trainer.auxiliary.named_parameters() if p.grad is None]


def test_without_both_nothing_is_rebuilt(make_trainer, first_batch):
    trainer = make_trainer(NAME, settings={"weight_reconstruction": 0, "weight_style_kl": 0})
    trainer.initialize()
    assert trainer.auxiliary is None
    assert set(trainer.train_step(first_batch(trainer))) == {"loss", "loss_segmentation", "loss_total"}


@pytest.mark.slow
def test_it_learns_at_nnunets_learning_rate(make_trainer, first_batch):
    """The encoders of style are not normalised: the rate must not make them diverge."""
    trainer = make_trainer(f"{NAME}_4epochs")
    trainer.initialize()
    trainer.on_train_epoch_start()
    batch = first_batch(trainer)
    results = [trainer.train_step(copy.deepcopy(batch)) for _ in range(12)]
    for term in ("segmentation", "reconstruction", "style_kl"):
        values = [result[f"loss_{term}"] for result in results]
        assert np.isfinite(values).all()
        assert np.mean(values[-3:]) < np.mean(values[:3]), term


# --- What is kept -----------------------------------------------------------------------------------------------------


def test_the_model_is_what_predicts(make_trainer):
    trainer = make_trainer(NAME)
    trainer.initialize()
    predicting = trainer.build_network_architecture(
        trainer.plans_manager, trainer.configuration_manager, 4, 3, enable_deep_supervision=False
    )
    predicting.load_state_dict(trainer.network.state_dict(), strict=True)
    assert {key.split(".")[0] for key in trainer.network.state_dict()} == {"encoders", "decoder", "fusions"}


def test_the_training_state_holds_all_that_is_trained(make_trainer, first_batch):
    trainer, other = (make_trainer(f"{NAME}_4epochs", settings={"seed": seed}) for seed in (0, 1))
    for each in (trainer, other):
        each.initialize()
    trainer.train_step(first_batch(trainer))
    other.load_training_state(copy.deepcopy(trainer.training_state()))
    assert all(
        torch.equal(a, b) for a, b in zip(trainer.auxiliary.parameters(), other.auxiliary.parameters(), strict=True)
    )


def test_the_recipe_is_nnunets(make_trainer):
    """The released L2 terms, 1e-4 / 2 of the squared kernels, are nnU-Net's weight decay here."""
    trainer = make_trainer(NAME)
    trainer.initialize()
    assert {(group["lr"], group["weight_decay"]) for group in trainer.optimizer.param_groups} == {(1e-2, 3e-5)}
    assert len(trainer.optimizer.param_groups) == 2  # the network, and what is beside it


def test_the_defaults_are_the_methods_weights():
    settings = RMBTSSettings()
    assert (settings.weight_reconstruction, settings.weight_style_kl) == (0.1, 0.1)
