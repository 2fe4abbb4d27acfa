"""Device, threads, bfloat16 and engines (part of the doctor, L3). torch is imported when a check runs."""

import os
from collections.abc import Iterator

from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.doctor.finding import Finding
from nnunetv2_mstkd.doctor.installation import Installation
from nnunetv2_mstkd.doctor.settings import DEFAULT_PROCESSES, PROCESSES


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
    """Report whether CPU and GPU compute in bfloat16."""
    import torch

    from nnunetv2_mstkd.inference.engines.hardware import bfloat16_units

    detail = f"CPU: {', '.join(bfloat16_units()) or 'no hardware support, neither AVX-512 BF16 nor AMX'}"
    if torch.cuda.is_available():
        detail += f"; GPU: {'yes' if torch.cuda.is_bf16_supported(including_emulation=False) else 'no'}"
    yield Finding("bfloat16", "ok", detail)


def check_engines(_installation: Installation) -> Iterator[Finding]:
    """Report what can run a network on this CPU; warning: OpenVINO, which is the fastest, is not installed."""
    from nnunetv2_mstkd.inference.engines.choice import fastest_engine, runnable_engines
    from nnunetv2_mstkd.inference.engines.hardware import has_openvino

    here = [name for name, lack in runnable_engines().items() if not lack]
    detail = f"{', '.join(here)}; auto takes {fastest_engine()} if its decisions are those of torch-float32"
    if has_openvino():
        yield Finding("CPU engines", "ok", detail)
    else:
        mend = 'pip install "nnunetv2_mstkd[openvino]"  # prediction on a CPU in half of the time, or less'
        yield Finding("CPU engines", "warning", detail, mend)
