"""Trainers that are dedicated to one subset."""

import copy

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from training_cases import complete, with_availability

from nnunetv2_mstkd.errors import ModalityError, SettingsError


def test_fixed_subset_never_sees_the_others(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "t1gd,FLAIR"})
    trainer.initialize()
    trainer.network.eval()
    image = torch.randn(2, 4, 20, 24, 24)
    changed = image.clone()
    changed[:, [0, 2]] = 1e4 * torch.randn(2, 2, 20, 24, 24)
    with torch.no_grad():
        for one, other in zip(trainer.network(image), trainer.network(changed), strict=True):
            assert torch.equal(one, other)
        changed[:, 1] += 1
        assert not torch.equal(trainer.network(image)[0], trainer.network(changed)[0])
    for mask in (trainer.training_mask(complete(2)), trainer.validation_mask(complete(2))):
        assert mask.tolist() == 2 * [[False, True, False, True]]  # nothing more is dropped


def test_a_fixed_subset_leaves_out_the_cases_that_lack_it(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "T1,T2"})
    trainer.initialize()
    everything = trainer.do_split()
    with_availability(trainer, blobTr_000="T1,T2", blobTr_001="T1ce")
    kept = trainer.do_split()
    assert [set(all_of) - set(some) for all_of, some in zip(everything, kept, strict=True)] in (
        [{"blobTr_001"}, set()],
        [set(), {"blobTr_001"}],
    )
    with_availability(trainer, **dict.fromkeys([*everything[0], *everything[1]], "FLAIR"))
    with pytest.raises(ModalityError, match=r"T1\+T2, which 0 of \d+ training cases"):
        trainer.do_split()


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerSMUNet"])
def test_the_teacher_of_a_dedicated_student_sees_everything(make_trainer, first_batch, name):
    """In training and validation; the student sees its subset, and each sample of it counts as missing something."""
    trainer = make_trainer(name, settings={"fixed_subset": "T1ce,FLAIR", "teacher": "network"})
    trainer.initialize()
    batch = first_batch(trainer)
    seen = {"teacher": [], "student": []}
    encoders = {"teacher": trainer.teacher.encoder, "student": trainer.network.encoder}
    for which, encoder in encoders.items():
        encoder.register_forward_pre_hook(lambda encoder, args, which=which: seen[which].append(args[0].detach()))
    trainer.iteration = 1  # not the one with the probe
    trainer.train_step(copy.deepcopy(batch))
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        trainer.validation_step(copy.deepcopy(batch))
    subset = batch["data"].clone()
    subset[:, [0, 2]] = 0
    assert len(seen["teacher"]) == 2  # a training step, and the validation with all modalities
    assert len(seen["student"]) == 3
    assert all(torch.equal(image, batch["data"]) for image in seen["teacher"])
    assert all(torch.equal(image, subset) for image in seen["student"])
    target = trainer._step_target(batch["target"], trainer.training_mask(complete(2)), complete(2))
    assert target.teacher_is_complete.tolist() == [True, True]
    assert target.is_complete.tolist() == [False, False]


def test_a_dedicated_student_of_incomplete_cases_is_taught_by_complete_ones_alone(incomplete_trainer):
    trainer = incomplete_trainer("nnUNetTrainerMSTKD", fixed_subset="T1,T2", teacher="network")
    available = trainer.available.codes(["blobTr_000", "blobTr_002"])  # T1 and T2 alone; everything
    mask = trainer.training_mask(available)
    assert mask.tolist() == [[True, False, True, False]] * 2
    target = trainer._step_target(torch.zeros(2, 3, 4, 4, 4), mask, available)
    assert target.teacher_is_complete.tolist() == [False, True]
    assert target.is_complete.tolist() == [False, False]


def test_a_dedicated_student_predicts_from_its_subset(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch", settings={"fixed_subset": "T1ce,FLAIR", "teacher": "network"})
    trainer.run_training()
    predictor = nnUNetPredictor(device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,), "checkpoint_final.pth")
    network = predictor.network.eval()
    image = torch.randn(1, 4, *trainer.configuration_manager.patch_size)
    other = image.clone()
    other[:, [0, 2]] = torch.nan
    with torch.no_grad():
        assert torch.equal(network(image), network(other))


@pytest.mark.parametrize("teacher", ["shared", "ema"])
def test_a_dedicated_student_cannot_be_its_own_teacher(make_trainer, results, teacher):
    with pytest.raises(
        SettingsError, match=f"fixed_subset.*'teacher' '{teacher}' the teacher has the student's weights"
    ):
        make_trainer("nnUNetTrainerMSTKD", settings={"fixed_subset": "T1", "teacher": teacher})
    assert not list(results.iterdir())


def test_a_wrong_fixed_subset_is_refused_before_anything_is_written(make_trainer, results):
    with pytest.raises(ModalityError, match=r"T1x.*The modalities are: T1 \(channel 0\)"):
        make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "T1x"})
    assert not list(results.iterdir())
