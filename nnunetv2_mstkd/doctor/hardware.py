"""Device, threads and bfloat16 (part of the doctor, L3). torch is imported when a check runs."""

import os
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.doctor.finding import Finding
from nnunetv2_mstkd.doctor.installation import Installation
from nnunetv2_mstkd.doctor.settings import DEFAULT_PROCESSES, PROCESSES

CPUINFO = Path("/proc/cpuinfo")


def check_device(_installation: Installation) -> Iterator[Finding]:
    """Report the device; warning: nnU-Net's default, cuda, is not there."""
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        yield Finding("device", "ok", f"cuda: {names}")
        return
    device = "mps" if torch.backends.mps.is_available() else "cpu"
    detail = f"{device}: torch finds no CUDA device, which nnU-Net's commands use unless told otherwise"
    yield Finding("device", "warning", detail, f"add -device {device} to nnUNetv2_train and nnUNetv2_predict")


def check_threads(_installation: Installation) -> Iterator[Finding]:
    """Report torch's threads; warning: fewer than cores, or nnU-Net's limit on a CPU is below them."""
    import torch

    threads, cores = torch.get_num_threads(), available_cores()
    detail = f"{threads} for {cores} cores"
    # torch takes one thread for each physical core, so half of what the system counts is as it should be.
    if 2 * threads < cores:
        yield Finding("torch threads", "warning", detail, f"export OMP_NUM_THREADS={cores}")
    else:
        yield Finding("torch threads", "ok", detail)
    if not torch.cuda.is_available() and PROCESSES not in os.environ and threads > DEFAULT_PROCESSES:
        limit = f"nnUNetv2_predict uses at most {PROCESSES} threads on a CPU: {DEFAULT_PROCESSES} of {threads}"
        yield Finding("prediction threads", "warning", limit, f"export {PROCESSES}={threads}")


def check_bfloat16(_installation: Installation) -> Iterator[Finding]:
    """Report whether CPU and GPU compute in bfloat16 (AVX-512 BF16, AMX, ...)."""
    import torch

    features = sorted(name for name in _cpu_features() if "bf16" in name or "amx" in name)
    detail = f"CPU: {', '.join(features) or 'no hardware support, neither AVX-512 BF16 nor AMX'}"
    if torch.cuda.is_available():
        detail += f"; GPU: {'yes' if torch.cuda.is_bf16_supported(including_emulation=False) else 'no'}"
    yield Finding("bfloat16", "ok", detail)


def _cpu_features() -> set[str]:
    """Return the names of the CPU's features, from torch where it tells (recent versions), else from Linux."""
    import torch

    try:
        return {name for name, value in torch.cpu.get_capabilities().items() if value is True}
    except (AttributeError, RuntimeError):
        pass
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return set()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return set(flags.partition(":")[2].split())
