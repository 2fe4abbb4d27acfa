"""Settings of a trainer: read from the plans, stored with the model, refused where they are wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from every_trainer import NAMES
from trainer_output import assert_equal_weights, load
from training_cases import complete

from nnunetv2_mstkd.errors import ModalityError, SettingsError


@pytest.mark.slow
def test_settings_of_the_plans_are_used_and_stored_with_the_model(make_trainer, no_figures):
    trainer = make_trainer(settings={"weight_logits": 3, "seed": 5, "fixed_subset": None})
    assert trainer.settings.weight_logits == 3.0
    assert trainer.settings.seed == 5
    trainer.run_training()
    stored = json.loads((Path(trainer.output_folder_base) / "plans.json").read_text())["mstkd"]
    assert (stored["weight_logits"], stored["seed"]) == (3.0, 5)
    assert stored["weight_multiscale"] == trainer.default_settings.weight_multiscale
    assert stored["channel_names"] == ["T1", "T1ce", "T2", "FLAIR"]
    assert load(trainer, "checkpoint_final.pth")["init_args"]["plans"]["mstkd"] == stored


def test_plans_are_not_needed_to_have_settings(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD")
    assert trainer.settings == trainer.default_settings


def test_an_unknown_setting_is_refused_before_anything_is_written(make_trainer, results):
    with pytest.raises(SettingsError, match=r"weight_logit.*Did you mean 'weight_logits'"):
        make_trainer(settings={"weight_logit": 1.0})
    assert not list(results.iterdir())


def test_folds_of_one_model_have_one_set_of_settings(make_trainer):
    first = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=0, settings={"seed": 1})
    first.on_train_start()
    first.save_checkpoint(str(Path(first.output_folder) / "checkpoint_latest.pth"))
    same = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=1, settings={"seed": 1})
    same.on_train_start()
    other = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=1, settings={"seed": 2})
    with pytest.raises(SettingsError, match=r"fold_0.*'seed': 1.*'seed': 2"):
        other.on_train_start()
    stored = json.loads((Path(first.output_folder_base) / "plans.json").read_text())["mstkd"]
    assert stored["seed"] == 1


@pytest.mark.parametrize(
    ("changes", "is_refused"), [({"spacing": [9.0, 9.0, 9.0]}, True), ({"patch_size": [16, 32, 16]}, False)]
)
def test_folds_of_one_model_see_their_input_alike(make_trainer, changes, is_refused):
    first = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=0)
    first.on_train_start()
    first.save_checkpoint(str(Path(first.output_folder) / "checkpoint_latest.pth"))
    file = Path(first.output_folder_base) / "plans.json"
    plans = json.loads(file.read_text())
    plans["configurations"][first.configuration_name].update(changes)
    file.write_text(json.dumps(plans))
    other = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=1)
    if is_refused:
        with pytest.raises(SettingsError, match=r"fold_0.*spacing': \[9\.0, 9\.0, 9\.0\].*preprocessed plans"):
            other.on_train_start()
    else:
        other.on_train_start()


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_seed_governs_the_initial_weights_and_nothing_global(make_trainer, name):
    def weights(seed):
        torch.manual_seed(int(np.random.default_rng().integers(1000)))  # what ran before must not matter
        trainer = make_trainer(name, settings={"seed": seed})
        state = torch.get_rng_state()
        trainer.initialize()
        assert torch.equal(torch.get_rng_state(), state)
        return trainer.network.state_dict()

    first = weights(0)
    assert_equal_weights(first, weights(0))
    other = weights(1)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_training_with_the_mask_variable_writes_nothing(make_trainer, results, monkeypatch, name):
    monkeypatch.setenv("MSTKD_MODALITIES", "T1ce,FLAIR")
    with pytest.raises(ModalityError, match="MSTKD_MODALITIES"):
        make_trainer(name)
    assert not list(results.iterdir())


def test_drop_probabilities_reach_the_draw(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD", settings={"drop_probabilities": {"t1gd": 0.99, "FLAIR": 0}})
    masks = []
    for trainer.iteration in range(20):
        masks += trainer.training_mask(complete(2)).tolist()
    assert all(mask[3] for mask in masks)
    assert sum(mask[1] for mask in masks) < 5


def test_a_drop_probability_of_an_unknown_modality_is_refused(make_trainer, results):
    with pytest.raises(ModalityError, match=r"T1x.*The modalities are"):
        make_trainer("nnUNetTrainerMSTKD", settings={"drop_probabilities": {"T1x": 0.3}})
    assert not list(results.iterdir())
