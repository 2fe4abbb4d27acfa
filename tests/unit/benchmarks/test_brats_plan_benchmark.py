"""benchmarks/brats_plan: one plan for all scripts, and the one that nnU-Net makes."""

import json

import pytest
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner


def test_the_network_is_the_one_that_a_trainer_builds_of_the_plans(benchmark, small_plan):
    trainer = benchmark("bare_trainer").make_trainer("nnUNetTrainer", small_plan.patch, stages=small_plan.stages)
    trained, own = trainer.network.state_dict(), small_plan.network().state_dict()
    assert {key: weight.shape for key, weight in own.items()} == {key: weight.shape for key, weight in trained.items()}


def test_a_trainer_has_the_plan_that_it_is_given(benchmark):
    trainer = benchmark("bare_trainer").make_trainer("nnUNetTrainerMSTKD", (16, 24, 16), 3, modalities=5, stages=3)
    assert (list(trainer.configuration_manager.patch_size), trainer.batch_size) == ([16, 24, 16], 3)
    assert trainer.modalities.names == ("T1", "T1ce", "T2", "FLAIR", "ADC")
    assert benchmark("bare_trainer").make_batch(trainer)["data"].shape == (3, 5, 16, 24, 16)


@pytest.mark.slow
def test_nnunet_plans_so_for_brats(benchmark, monkeypatch):
    geometries, brats = benchmark("planned_geometries"), benchmark("brats_plan").BratsPlan()
    monkeypatch.setenv("nnUNet_raw", str(geometries.RAW))
    monkeypatch.setenv("nnUNet_preprocessed", str(geometries.PREPROCESSED))
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")  # the planner sets torch's threads to it
    _, configurations = geometries.plan(ExperimentPlanner, geometries.BRATS, 8)
    planned = json.loads(json.dumps(configurations["3d_fullres"], default=int))  # as a plans file has it
    own = brats.plans("Dataset001_BraTS")["configurations"]["3d_fullres"]
    keys = ("patch_size", "batch_size", "architecture", "normalization_schemes", "use_mask_for_norm", "spacing")
    assert {key: own[key] for key in keys} == {key: planned[key] for key in keys}


def test_a_patch_as_text(benchmark):
    module = benchmark("brats_plan")
    assert module.patch_of("64x96x64") == (64, 96, 64)
    assert module.patch_text([64, 96, 64]) == "64x96x64"
