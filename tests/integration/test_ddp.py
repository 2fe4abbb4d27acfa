"""DDP: the step in two processes, each with half of the batch, has the gradients of one process with all of it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("ddp_worker.py")
WORLD_SIZE = 2
CASES = ("regions", "labels", "co_training", "noMSTKD", "noGSME", "noSLKD", "shared", "ACN", "SMU-Net")
MULTI_ENCODER = ("nnUNetTrainerRAHVED", "nnUNetTrainerRMBTS", "nnUNetTrainerMMFormer", "nnUNetTrainerM2FTrans")


@pytest.fixture(scope="module")
def worker():
    """The worker's module, to run its step in this process."""
    spec = importlib.util.spec_from_file_location("ddp_worker", WORKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert tuple(module.CASES) == CASES
    assert module.MULTI_ENCODER == MULTI_ENCODER
    return module


@pytest.fixture(scope="module")
def folder(worker, make_dataset, tmp_path_factory):
    """Where the processes meet, with the plans of a tiny dataset."""
    found, dataset = tmp_path_factory.mktemp("ddp"), make_dataset("regions")
    torch.save(({**dataset.plans, "continue_training": False}, dataset.dataset_json), found / worker.PLANS)
    return found


@pytest.fixture(scope="module")
def distributed_results(folder):
    """What each rank computed, by case."""
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    commands = [[sys.executable, str(WORKER), str(rank), str(WORLD_SIZE), str(folder)] for rank in range(WORLD_SIZE)]
    processes = [subprocess.Popen(c, env=environment, stderr=subprocess.PIPE, text=True) for c in commands]
    for process in processes:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors
    return [torch.load(folder / f"rank{rank}.pth") for rank in range(WORLD_SIZE)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_gradients_of_one(worker, distributed_results, case):
    whole = worker.step(case)
    first, second = (result[case] for result in distributed_results)
    assert set(first) == set(whole)
    counts = {name: value for name, value in whole.items() if name.startswith("reduced")}
    assert counts
    assert all(first[name] == value for name, value in counts.items()), "each gradient is reduced once a step"
    for name, expected in whole.items():
        if name.startswith("gradient"):
            assert torch.equal(first[name], second[name]), name  # the ranks stay equal, bit by bit
            # nnU-Net's Dice casts to float32, hence not tighter; a factor of two or a lost term is far outside
            close = torch.allclose(first[name], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()) + 1e-7)
            assert close, name
        else:
            torch.testing.assert_close((first[name] + second[name]) / 2, expected, rtol=1e-6, atol=1e-8)
    assert sum(g.abs().sum() for n, g in whole.items() if n.startswith("gradient student")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MULTI_ENCODER)
def test_a_multi_encoder_trainer_in_two_processes_has_the_gradients_of_one(worker, folder, distributed_results, name):
    whole = worker.multi_encoder_step(name, folder)
    first, second = (result[name] for result in distributed_results)
    assert set(first) == set(whole)
    counts = {key: value for key, value in whole.items() if key.startswith("reduced")}
    assert all(first[key] == value for key, value in counts.items()), "each gradient is reduced once a step"
    largest = {part: largest_gradient(whole, part) for part in (key.split()[1] for key in counts)}
    assert all(largest.values())
    for key, expected in whole.items():
        if key.startswith("gradient"):
            assert torch.equal(first[key], second[key]), key
            # nnU-Net's Dice casts to float32; against the largest gradient of the same network
            part = key.split()[1].partition(".")[0]
            assert float((first[key] - expected).abs().max()) < 1e-4 * largest[part], key
        elif key.startswith("loss"):
            torch.testing.assert_close((first[key] + second[key]) / 2, expected, rtol=1e-4, atol=1e-6)


def largest_gradient(result, part):
    gradients = [value for key, value in result.items() if key.startswith(f"gradient {part}.")]
    return max(float(gradient.abs().max()) for gradient in gradients)
