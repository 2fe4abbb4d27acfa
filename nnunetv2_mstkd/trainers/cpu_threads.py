"""Threads of a training on a CPU (L3)."""

import os

import torch

from nnunetv2_mstkd.cores import AUGMENTATION_PROCESSES, available_cores


def leave_cores_to_augmentation(device: torch.device) -> None:
    """Give the network the cores that nnUNet_n_proc_DA leaves, one at least, where it is set and the device is a CPU.

    nnU-Net takes a thread for every core. Those that share one with an augmentation process come late, and in networks
    of many small layers all others wait for them at each.
    """
    processes = os.environ.get(AUGMENTATION_PROCESSES)
    if device.type == "cpu" and processes is not None:
        torch.set_num_threads(max(1, min(torch.get_num_threads(), available_cores() - int(processes))))
