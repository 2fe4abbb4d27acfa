"""How many cores this process may use, and who says how many augmentation gets (L0: standard library only)."""

import os

AUGMENTATION_PROCESSES = "nnUNet_n_proc_DA"  # nnU-Net's variable


def available_cores() -> int:
    """Return the number of cores that this process may use, which a scheduler may have limited."""
    if hasattr(os, "sched_getaffinity"):  # absent on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
