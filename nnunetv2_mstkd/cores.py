"""How many cores this process may use, and who says how many augmentation gets (L0).

joblib counts: it comes with nnU-Net, and knows what a scheduler, a container or its own variable allows.
"""

AUGMENTATION_PROCESSES = "nnUNet_n_proc_DA"  # nnU-Net's variable


def available_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    The least of the cores that there are, those that it is bound to (a scheduler's affinity), the quota of its control
    group rounded up (Docker's --cpus, limits of Kubernetes), and LOKY_MAX_CPU_COUNT.
    """
    from joblib import cpu_count  # type: ignore[import-untyped]  # it ships no types; as late as this: it loads numpy

    return int(cpu_count())
