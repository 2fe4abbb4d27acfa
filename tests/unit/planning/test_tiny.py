"""The tiny planner through nnU-Net's own API."""

import inspect
import json

import numpy as np
import pytest

from nnunetv2_mstkd import planning

HEAD = (47, 58, 48)  # voxels of 3 mm in the brain crop of the simulated patients


@pytest.fixture
def planner(make_dataset, threads_for_processes, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")  # the planner sets torch's threads to it
    return planning.nnUNetPlannerTiny(make_dataset("regions").number)


def plan_head(planner, shape=HEAD):
    return planner.get_plans_for_configuration((3.0, 3.0, 3.0), shape, "tiny_3d_fullres", 40 * np.prod(shape), {})


def test_its_plans_have_a_name_of_their_own(make_dataset):
    dataset = make_dataset("regions")
    plans = json.loads((dataset.preprocessed / "nnUNetPlansTiny.json").read_text())
    assert plans["plans_name"] == "nnUNetPlansTiny"
    assert plans["experiment_planner_used"] == "nnUNetPlannerTiny"
    assert plans["configurations"]["3d_fullres"]["preprocessor_name"] == "DefaultPreprocessor"


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
def test_its_networks_are_narrow(make_dataset, configuration):
    kwargs = make_dataset("regions").plans["configurations"][configuration]["architecture"]["arch_kwargs"]
    assert kwargs["features_per_stage"] == [min(64, 8 * 2**stage) for stage in range(kwargs["n_stages"])]


def test_a_head_at_3_mm_gets_a_patch_of_about_one_gigaflop(planner):
    from torch.utils.flop_counter import FlopCounterMode

    plan = plan_head(planner)
    assert (tuple(plan["patch_size"]), plan["batch_size"]) == ((32, 40, 32), 2)
    with FlopCounterMode(display=False) as counter:
        forward(plan)
    assert 0.8e9 < counter.get_total_flops() < 1.3e9


def forward(plan):
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    architecture = plan["architecture"]
    with torch.device("meta"):  # nothing is computed
        network = get_network_from_plans(
            architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"], 4, 3
        )
        network(torch.zeros(1, 4, *plan["patch_size"]))


def test_a_larger_memory_target_gives_a_larger_patch(make_dataset, planner):
    larger = planning.nnUNetPlannerTiny(make_dataset("regions").number, gpu_memory_target_in_gb=0.1)
    assert np.prod(plan_head(larger)["patch_size"]) > np.prod(plan_head(planner)["patch_size"])


def test_it_takes_what_nnunet_passes_to_a_planner():
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

    theirs, ours = (inspect.signature(c.__init__).parameters for c in (ExperimentPlanner, planning.nnUNetPlannerTiny))
    assert list(ours) == list(theirs)


def test_an_unknown_planner_is_no_attribute():
    assert not hasattr(planning, "nnUNetPlannerHuge")
    assert "nnUNetPlannerTiny" in dir(planning)
