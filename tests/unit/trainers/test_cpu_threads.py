"""The cores of a CPU, shared between network and augmentation."""

import pytest
import torch

from nnunetv2_mstkd.trainers import cpu_threads
from nnunetv2_mstkd.trainers.cpu_threads import leave_cores_to_augmentation


@pytest.mark.parametrize(
    ("processes", "device", "expected"),
    [
        ("1", "cpu", 3),
        ("3", "cpu", 1),
        ("9", "cpu", 1),  # one thread at least
        ("0", "cpu", 4),
        (None, "cpu", 4),  # nobody has said how many cores the augmentation gets
        ("3", "cuda", 4),
    ],
)
def test_the_network_gets_what_the_augmentation_leaves(monkeypatch, processes, device, expected):
    monkeypatch.setattr(cpu_threads, "available_cores", lambda: 4)
    monkeypatch.delenv("nnUNet_n_proc_DA", raising=False)
    if processes is not None:
        monkeypatch.setenv("nnUNet_n_proc_DA", processes)
    torch.set_num_threads(4)
    leave_cores_to_augmentation(torch.device(device))
    assert torch.get_num_threads() == expected


def test_threads_are_never_added(monkeypatch):
    monkeypatch.setattr(cpu_threads, "available_cores", lambda: 16)
    monkeypatch.setenv("nnUNet_n_proc_DA", "2")
    torch.set_num_threads(2)
    leave_cores_to_augmentation(torch.device("cpu"))
    assert torch.get_num_threads() == 2
