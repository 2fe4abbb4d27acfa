"""Cases that lack modalities: nothing of what is absent counts, and what is there is used."""

import copy
import math

import numpy as np
import pytest
import torch
from every_trainer import every_method
from one_training_step import step
from training_cases import with_availability

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.distillation.terms import DISCRIMINATORS
from nnunetv2_mstkd.errors import CaseError, SettingsError
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities


def batch_of(first_batch, trainer, *cases):
    batch = first_batch(trainer)
    return {**batch, "keys": np.array(cases)}


@every_method
def test_what_a_case_lacks_has_no_influence_on_a_step_of_any_branch(incomplete_trainer, first_batch, trainer_class):
    results, batch = [], None
    for noise in (0.0, 100.0):
        trainer = incomplete_trainer(trainer_class)
        batch = batch or batch_of(first_batch, trainer, "blobTr_000", "blobTr_001")
        data = batch["data"].clone()
        data[0, [1, 3]] += noise
        data[1, [0, 2, 3]] += noise
        results.append(step(trainer, copy.deepcopy({**batch, "data": data})))
    assert results[0] == results[1]


@every_method
def test_a_modality_that_a_whole_batch_lacks_leaves_every_weight_with_a_gradient(
    make_trainer, first_batch, trainer_class
):
    """DDP waits for each of them: `step` checks that they are there."""
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    with_availability(trainer, blobTr_000="T1", blobTr_001="T1,T2")
    step(trainer, batch_of(first_batch, trainer, "blobTr_000", "blobTr_001"))


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerSMUNet"])
def test_segmentation_terms_act_where_distillation_terms_do_not(incomplete_trainer, first_batch, name):
    trainer = incomplete_trainer(name)
    result = trainer.train_step(batch_of(first_batch, trainer, "blobTr_000", "blobTr_001"))
    discriminators = {f"loss_{loss}" for loss in DISCRIMINATORS.values()}
    terms = {name for name in result if name.startswith("loss_")} - {"loss_total", *discriminators}
    segmentation = {"loss_segmentation", "loss_teacher_segmentation"}
    assert all(result[name] != 0 for name in segmentation)
    assert {result[name] for name in terms - segmentation} == {0.0}


def test_the_complete_sample_of_a_mixed_batch_is_distilled(incomplete_trainer, first_batch):
    trainer = incomplete_trainer("nnUNetTrainerMSTKD")
    result = trainer.train_step(batch_of(first_batch, trainer, "blobTr_000", "blobTr_002"))
    assert result["loss_consistency"] > 0
    assert result["loss_multiscale"] > 0


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_validation_shows_nothing_that_a_case_lacks(incomplete_trainer, first_batch, name):
    trainer = incomplete_trainer(name)
    trainer.on_validation_epoch_start()
    batch = batch_of(first_batch, trainer, "blobTr_000", "blobTr_001")
    seen = []
    for network in trainer.branches().values():
        network.register_forward_pre_hook(lambda network, args: seen.append(args[0].clone()))
    with torch.no_grad():
        trainer.validation_step(copy.deepcopy(batch))
    assert len(seen) == 1 + len(trainer.branches())  # the subset at hand, then each branch with all that there is
    for image in seen:
        assert not image[0, [1, 3]].any()
        assert not image[1, [0, 2, 3]].any()
        assert image[0, 0].any()
        assert image[1, 1].any()


def test_a_batch_that_is_not_distilled_has_no_gradient_norms_on_record(incomplete_trainer, first_batch):
    trainer = incomplete_trainer("nnUNetTrainerMSTKD")
    trainer.train_step(batch_of(first_batch, trainer, "blobTr_000", "blobTr_001"))
    norms = {name: value for name, value in trainer.record.items() if name.startswith("gradient_")}
    assert norms.pop("gradient_segmentation") > 0
    assert norms
    assert all(math.isnan(value) for value in norms.values())


def test_a_case_of_the_splits_that_was_not_preprocessed_is_named(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "T1"})
    trainer.initialize()
    trainer.available = AvailableModalities(
        Availability(trainer.modalities, {"blobTr_000": trainer.modalities.subset("T1")})
    )
    with pytest.raises(CaseError, match=r"blobTr_\d+ is in the splits, but not among the preprocessed"):
        trainer.do_split()


def test_training_where_no_case_is_complete_is_refused_unless_they_count(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD")
    trainer.initialize()
    lacking = {case: "T1,T2" for case in trainer.dataset_class.get_identifiers(trainer.preprocessed_dataset_folder)}
    with_availability(trainer, **lacking)
    with pytest.raises(SettingsError, match=r"nothing to distil.*incomplete_teacher_weight"):
        trainer.get_tr_and_val_datasets()
    counting = make_trainer("nnUNetTrainerMSTKD", settings={"incomplete_teacher_weight": 0.5})
    counting.initialize()
    with_availability(counting, **lacking).get_tr_and_val_datasets()


def test_warm_up_shows_all_that_a_case_has(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD_10epochs", settings={"warm_up_fraction": 0.5})
    available = np.array([15, 5])  # everything; T1 and T2
    trainer.current_epoch = 4
    assert trainer.training_mask(available).tolist() == [[True] * 4, [True, False, True, False]]
    trainer.current_epoch = 5
    drawn = []
    for trainer.iteration in range(20):
        drawn += trainer.training_mask(available).tolist()
    assert [True, False, False, False] in drawn
