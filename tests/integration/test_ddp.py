"""DDP: trainers in two processes, each with half of the batch, take the step of one process with all of it."""

import os
import subprocess
import sys

import pytest
import torch
from integration import ddp_worker
from integration.ddp_cases import CASES, TEACHER
from tiny_cohort import LABELS
from trainer_building import build_trainer

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.trainers.optimizer import MAX_GRADIENT_NORM

pytestmark = pytest.mark.slow

WORLD_SIZE = 2
WITHOUT_GRADIENT = ("ema", "frozen")  # kinds of teacher
every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def folder(make_dataset, tmp_path_factory):
    """Where the processes meet, with the plans of a tiny dataset and a model that is to teach."""
    found, dataset = tmp_path_factory.mktemp("ddp"), make_dataset("regions")
    by_labels = {key: value for key, value in dataset.dataset_json.items() if key != "regions_class_order"}
    descriptions = {True: dataset.dataset_json, False: {**by_labels, "labels": LABELS}}
    torch.save((dataset.plans, descriptions), found / ddp_worker.PLANS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_results", str(found / "results_of_teacher"))
        donor = build_trainer(trainers.nnUNetTrainerMSTKD, dataset, configuration="2d", settings={"seed": 77})
        donor.initialize()
        donor.pretrained_start.end()
        donor.save_checkpoint(str(found / TEACHER))
    return found


@pytest.fixture(scope="module")
def ranks(folder):
    """What each rank computed, by case."""
    folders = {"nnUNet_results": str(folder / "results"), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", **folders}
    command = [sys.executable, "-m", ddp_worker.__name__]
    commands = [[*command, str(rank), str(WORLD_SIZE), str(folder)] for rank in range(WORLD_SIZE)]
    processes = [subprocess.Popen(c, env=environment, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        errors = [process.communicate(timeout=900)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert not any(process.returncode for process in processes), "\n".join(errors)
    return [torch.load(folder / f"rank{rank}.pth") for rank in range(WORLD_SIZE)]


def entries(result, what, part=""):
    """What a step says of one kind, by name; of all parts or of one."""
    start = f"{what} {part}"
    return {key.removeprefix(f"{what} "): value for key, value in result.items() if key.startswith(start)}


def parts_of(result):
    return [name for name, count in entries(result, "count").items() if count]


@every_case
def test_two_processes_take_the_step_of_one(folder, ranks, results, case):
    whole = ddp_worker.step(case, folder)
    first, second = (result[case] for result in ranks)
    assert set(first) == set(whole)
    for name, expected in entries(whole, "loss").items():
        mean = (first[f"loss {name}"] + second[f"loss {name}"]) / 2
        torch.testing.assert_close(mean, expected, rtol=1e-6, atol=1e-7, msg=name)
    assert entries(first, "count") == entries(whole, "count"), "each gradient is reduced once a step"
    for part in parts_of(whole):
        gradients = entries(whole, "gradient", f"{part}.")
        largest = max(float(gradient.abs().max()) for gradient in gradients.values())
        assert largest > 0
        for name, expected in gradients.items():
            # nnU-Net's Dice sums in float32, hence not tighter; that of a bias before a norm is 0 but for rounding
            close = torch.allclose(first[f"gradient {name}"], expected, rtol=1e-4, atol=1e-6 * largest)
            assert close, name
    for name, expected in entries(whole, "weight").items():
        if "discriminator" not in name:  # Adam's first step is the sign of a gradient, even of one that is rounding
            torch.testing.assert_close(first[f"weight {name}"], expected, rtol=1e-6, atol=1e-8, msg=name)


@every_case
def test_no_gradient_is_clipped(ranks, case):
    """Else the comparison would not see a factor: the norm of what is clipped is just below the limit."""
    for part in parts_of(ranks[0][case]):
        gradients = entries(ranks[0][case], "gradient", f"{part}.").values()
        assert float(torch.stack([gradient.norm() for gradient in gradients]).norm()) < 0.9 * MAX_GRADIENT_NORM, part


@every_case
def test_the_ranks_stay_equal_bit_by_bit(ranks, case):
    first, second = (result[case] for result in ranks)
    for what in ("gradient", "weight"):
        mine, theirs = entries(first, what), entries(second, what)
        assert mine
        assert not [name for name, value in mine.items() if not torch.equal(value, theirs[name])]


@every_case
def test_what_has_gradients_is_wrapped_and_all_that_learns_moves(ranks, case):
    for result in ranks:
        wrapped = entries(result[case], "wrapped")
        assert set(wrapped) == {"student", *CASES[case].beside}
        for part, is_wrapped in wrapped.items():
            has_gradients = not (part == "teacher" and case in WITHOUT_GRADIENT)
            assert bool(is_wrapped) == has_gradients, part
            assert bool(result[case][f"count {part}"]) == has_gradients, part
            assert bool(result[case][f"moved {part}"]) == ((case, part) != ("frozen", "teacher")), part


def test_the_frozen_teacher_is_the_one_that_was_given(folder, ranks):
    given = torch.load(folder / TEACHER, weights_only=False)["network_weights"]
    for result in ranks:
        found = entries(result["frozen"], "weight", "teacher.")
        assert set(found) == {f"teacher.{name}" for name in given}
        assert not [name for name, value in given.items() if not torch.equal(found[f"teacher.{name}"], value.double())]
