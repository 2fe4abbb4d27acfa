"""The planners for nnUNetTrainerMSTKD through nnU-Net's own API: names, budgets, and what a real step keeps."""

import inspect
import json

import numpy as np
import pytest
import torch
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (
    nnUNetPlannerResEncL,
    nnUNetPlannerResEncM,
)
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from nnunetv2_mstkd import planning
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.planning.saved_tensors import SavedTensors
from nnunetv2_mstkd.planning.step_memory import StepMemory

OURS = ("nnUNetPlannerMSTKD", "nnUNetPlannerMSTKDResEncM", "nnUNetPlannerMSTKDResEncL")
STOCK = dict(zip(OURS, (ExperimentPlanner, nnUNetPlannerResEncM, nnUNetPlannerResEncL), strict=True))
IDENTIFIERS = dict(
    zip(OURS, ("nnUNetPlansMSTKD", "nnUNetResEncUNetMPlansMSTKD", "nnUNetResEncUNetLPlansMSTKD"), strict=True)
)
BRAIN = (112, 128, 112)  # voxels of 1 mm, so that few patches are tried
SMALL = (32, 32, 32)
CHANNELS = 4


@pytest.fixture
def one_thread(threads_for_processes, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")  # nnU-Net's planners set torch's threads to it


@pytest.fixture
def plan_brain(make_dataset, one_thread):
    """Return a function that plans a brain at 1 mm."""

    def plan(planner_class, target_gb=8.0, shape=BRAIN):
        planner = planner_class(make_dataset("regions").number, target_gb)
        num_voxels = float(np.prod(shape)) * 1000
        return planner, planner.get_plans_for_configuration((1.0, 1.0, 1.0), shape, "brain", num_voxels, {})

    return plan


def network(plan, channels=CHANNELS, classes=4):
    architecture = plan["architecture"]
    names = architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"]
    with torch.device("meta"):
        return get_network_from_plans(*names, channels, classes)


def activation_gb(planner, plan, activations_per_sample):
    """By nnU-Net's reference values of 3D networks."""
    samples = plan["batch_size"] / planner.UNet_reference_val_corresp_bs_3d
    return activations_per_sample * samples / planner.UNet_reference_val_3d * planner.UNet_reference_val_corresp_GB


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_takes_what_nnunet_passes_to_a_planner(name):
    theirs = inspect.signature(STOCK[name].__init__).parameters
    ours = inspect.signature(getattr(planning, name).__init__).parameters
    assert list(ours) == list(theirs)
    for argument in set(theirs) - {"self", "plans_name"}:
        assert ours[argument].default == theirs[argument].default


@pytest.mark.parametrize("name", OURS)
def test_plans_have_an_identifier_of_their_own(make_dataset, one_thread, name):
    planner = getattr(planning, name)(make_dataset("regions").number)
    stock = STOCK[name](make_dataset("regions").number)
    assert planner.plans_identifier == IDENTIFIERS[name] != stock.plans_identifier
    assert planner.generate_data_identifier("3d_lowres") == f"{IDENTIFIERS[name]}_3d_lowres"
    renamed = getattr(planning, name)(make_dataset("regions").number, plans_name="nnUNetPlansMine")
    assert renamed.plans_identifier == "nnUNetPlansMine"


# --- budgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*non-standard gpu_memory_target_in_gb")
@pytest.mark.parametrize("name", OURS)
def test_what_is_planned_fits_the_target_and_the_stock_plan_does_not(plan_brain, name):
    target_gb = 8.0

    def needed_gb(planner, plan):
        memory = StepMemory(network(plan), plan["patch_size"])
        return activation_gb(planner, plan, memory.num_activations(CHANNELS)) + memory.additional_state_bytes() / 1e9

    planner, plan = plan_brain(getattr(planning, name), target_gb)
    stock_planner, stock_plan = plan_brain(STOCK[name], target_gb)
    assert plan["batch_size"] == 2  # so that no rounding of the batch hides what the patch needs
    assert 0.5 * target_gb < needed_gb(planner, plan) <= target_gb
    assert needed_gb(stock_planner, stock_plan) > 1.5 * target_gb
    assert np.prod(plan["patch_size"]) < np.prod(stock_plan["patch_size"])


def test_all_but_size_is_the_stock_plan_s(plan_brain):
    (_, ours), (_, stock) = (plan_brain(p, shape=SMALL) for p in (planning.nnUNetPlannerMSTKD, ExperimentPlanner))
    sizes = {"patch_size", "batch_size", "architecture"}
    assert {key: str(ours[key]) for key in ours if key not in sizes} == {
        key: str(stock[key]) for key in stock if key not in sizes
    }
    assert ours["architecture"]["network_class_name"] == stock["architecture"]["network_class_name"]
    assert ours["preprocessor_name"] == "DefaultPreprocessor"


@pytest.mark.slow
def test_a_larger_target_gives_a_larger_patch_and_then_a_larger_batch(plan_brain):
    plans = [plan_brain(planning.nnUNetPlannerMSTKD, target)[1] for target in (8.0, 24.0, 80.0)]
    voxels = [np.prod(plan["patch_size"]) for plan in plans]
    assert voxels[0] < voxels[1] == voxels[2]
    assert plans[0]["batch_size"] == 2 < plans[2]["batch_size"]


@pytest.mark.filterwarnings("ignore:.*non-standard gpu_memory_target_in_gb")
@pytest.mark.parametrize("name", OURS)
def test_a_batch_is_as_large_as_fits_and_no_larger(plan_brain, name):
    """nnU-Net rounds to the nearest, so that half of its larger batches exceed the target."""
    for target_gb in (2.0, 2.1, 2.2, 2.3, 2.4, 2.5):
        planner, plan = plan_brain(getattr(planning, name), target_gb, SMALL)
        memory = StepMemory(network(plan), plan["patch_size"])
        weights_gb = memory.additional_state_bytes() / 1e9
        one_more = {**plan, "batch_size": plan["batch_size"] + 1}
        kept = memory.num_activations(CHANNELS)
        assert plan["batch_size"] > planner.UNet_min_batch_size
        assert activation_gb(planner, plan, kept) + weights_gb <= target_gb
        assert activation_gb(planner, one_more, kept) + weights_gb > target_gb


def test_the_target_of_the_planner_is_what_was_asked_for(plan_brain):
    planner, _ = plan_brain(planning.nnUNetPlannerMSTKD, 9.0, SMALL)
    assert planner.UNet_vram_target_GB == 9.0


def test_a_target_that_the_weights_alone_exceed_is_refused(plan_brain):
    with pytest.raises(SettingsError, match=r"target of 0\.5 GB .*weights.* need 0\.\d+ GB.*-gpu_memory_target"):
        plan_brain(planning.nnUNetPlannerMSTKDResEncM, 0.5, SMALL)


# --- estimates -------------------------------------------------------------------------------------------------------


def test_saved_storages_count_once_and_weights_do_not():
    linear = torch.nn.Linear(3, 3, bias=False)
    image = torch.ones(5, 3, requires_grad=True)
    with SavedTensors(linear) as saved:
        hidden = linear(image)  # saves image and weight
        (hidden * hidden).sum()  # saves hidden twice
    assert saved.num_bytes == 4 * (5 * 3 + 5 * 3)


def test_additional_state_is_that_of_two_branches_and_a_discriminator(network_plan):
    plan = network_plan()
    with torch.device("meta"):
        plain = plan.build()
    parameters = sum(p.numel() for p in plain.parameters())
    memory = StepMemory(plain, plan.patch_size)
    branch = sum(p.numel() for p in memory.branch.parameters())
    discriminator = sum(p.numel() for p in memory.discriminators["adversarial"].parameters())
    # SGD: weight, gradient, momentum, half-precision copy; Adam has one moment more
    assert memory.additional_state_bytes() == 14 * (2 * branch - parameters) + 18 * discriminator
    assert memory.additional_state_bytes("Adam") == 18 * (2 * branch + discriminator) - 14 * parameters


@pytest.mark.parametrize("settings", [{"preset": "paper"}, {"use_multiscale_transformer": False}])
def test_settings_change_the_estimate(network_plan, settings):
    plan = network_plan()

    def activations(**changes):
        with torch.device("meta"):
            plain = plan.build()
        return StepMemory(plain, plan.patch_size, DistillationSettings(**changes)).num_activations(plan.channels)

    larger = settings.get("preset") == "paper"
    assert (activations(**settings) > activations()) == larger
    assert (activations(**settings) < activations()) != larger


@pytest.mark.parametrize(
    ("dataset", "configuration"), [("regions", "3d_fullres"), ("regions", "2d"), ("anisotropic", "3d_fullres")]
)
def test_the_ratio_to_nnunet_s_estimate_is_that_of_the_trainers_real_steps(
    make_trainer, first_batch, dataset, configuration
):
    steps = {}
    for name in ("nnUNetTrainer", "nnUNetTrainerMSTKD"):
        settings = {} if name == "nnUNetTrainer" else {"teacher": "network"}  # the most that is planned for
        trainer = make_trainer(name, dataset, configuration=configuration, settings=settings)
        trainer.initialize()
        trainer.iteration = 1  # the first one of an epoch also measures gradients
        networks = [getattr(trainer, part, None) for part in ("network", "teacher", "discriminator")]
        batch = first_batch(trainer)
        # half precision, as on a GPU
        with SavedTensors(*filter(None, networks)) as saved, torch.autocast("cpu", torch.bfloat16):
            trainer.train_step(batch)
        steps[name] = saved.num_bytes
    plan = trainer.configuration_manager.configuration
    plain = network(plan)
    stock = plain.compute_conv_feature_map_size(plan["patch_size"])
    estimate = StepMemory(plain, plan["patch_size"]).num_activations(CHANNELS)
    assert estimate / stock == pytest.approx(steps["nnUNetTrainerMSTKD"] / steps["nnUNetTrainer"], rel=0.1)


@pytest.mark.slow
def test_plans_serve_the_trainer(make_dataset, make_trainer, first_batch, monkeypatch):
    dataset = make_dataset("regions")
    with monkeypatch.context() as patch:
        patch.setenv("nnUNet_n_proc_DA", "1")
        planning.nnUNetPlannerMSTKD(dataset.number).plan_experiment()
    plans = json.loads((dataset.preprocessed / "nnUNetPlansMSTKD.json").read_text())
    assert plans["plans_name"] == "nnUNetPlansMSTKD"
    assert plans["experiment_planner_used"] == "nnUNetPlannerMSTKD"
    plans["configurations"]["3d_fullres"]["data_identifier"] = "nnUNetPlansTiny_3d_fullres"  # the same data
    trainer = make_trainer("nnUNetTrainerMSTKD", plans=plans)
    trainer.initialize()
    assert np.isfinite(trainer.train_step(first_batch(trainer))["loss"])
