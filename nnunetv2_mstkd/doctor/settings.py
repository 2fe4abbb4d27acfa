"""Environment variables that change what nnU-Net and our trainers do (part of the doctor, L3)."""

import os
from collections.abc import Iterator

from nnunetv2_mstkd.cores import AUGMENTATION_PROCESSES, available_cores
from nnunetv2_mstkd.doctor.finding import Finding
from nnunetv2_mstkd.doctor.installation import Installation
from nnunetv2_mstkd.inference.environment import MODALITIES_VARIABLE

PROCESSES = "nnUNet_def_n_proc"
DEFAULT_PROCESSES = 8  # nnU-Net's own, for planning, preprocessing and export; also the limit of threads on a CPU


def check_modalities_variable(_installation: Installation) -> Iterator[Finding]:
    """Warning: the variable that names a subset for prediction is set, which training refuses."""
    value = os.environ.get(MODALITIES_VARIABLE)
    if value is None:
        yield Finding(MODALITIES_VARIABLE, "ok", "not set")
    else:
        detail = f"set to {value!r}: every prediction uses this subset, and training refuses to start"
        yield Finding(MODALITIES_VARIABLE, "warning", detail, f"unset {MODALITIES_VARIABLE}")


def check_processes(_installation: Installation) -> Iterator[Finding]:
    """Report nnU-Net's numbers of processes; problem: not a number, warning: too many, or none for planning."""
    cores = available_cores()
    yield _check_default_processes(os.environ.get(PROCESSES), cores)
    augmentation = os.environ.get(AUGMENTATION_PROCESSES)
    if augmentation is not None:
        yield _check_augmentation_processes(augmentation)


def _check_default_processes(value: str | None, cores: int) -> Finding:
    mend = f"export {PROCESSES}={cores}"
    if value is not None and not _is_count(value, minimum=1):
        return Finding(PROCESSES, "problem", f"{value!r} is no number of processes: nnU-Net cannot start", mend)
    processes = DEFAULT_PROCESSES if value is None else int(value)
    detail = f"{processes}{' (default)' if value is None else ''}, for {cores} cores"
    if processes > cores:
        return Finding(PROCESSES, "warning", f"{detail}: more processes than cores cost memory, not time", mend)
    return Finding(PROCESSES, "ok", detail)


def _check_augmentation_processes(value: str) -> Finding:
    mend = f"unset {AUGMENTATION_PROCESSES}"
    if not _is_count(value, minimum=0):
        return Finding(AUGMENTATION_PROCESSES, "problem", f"{value!r} is no number: nnU-Net cannot start", mend)
    if int(value) == 0:
        detail = "0 is fine for training, but planning fails with it"
        return Finding(AUGMENTATION_PROCESSES, "warning", detail, f"{mend}  # before nnUNetv2_plan_and_preprocess")
    return Finding(AUGMENTATION_PROCESSES, "ok", value)


def _is_count(value: str, *, minimum: int) -> bool:
    try:
        return int(value) >= minimum
    except ValueError:
        return False
