"""What a training step of MST-KD costs beside one of nnU-Net: same plan, patch and batch, on the CPU in float32.

    python benchmarks/training_step.py                          # a patch of 64x96x64, a step takes seconds
    python benchmarks/training_step.py --patch 128x160x112      # nnU-Net's BraTS plan: minutes a step, 30 GB
    python benchmarks/training_step.py --settings '{"teacher": "ema"}' --json FILE

Time: rounds of a step of nnUNetTrainer, one of nnUNetTrainerMSTKD, and the forward and backward passes of the latter's
branches alone; ratios are within a round. Memory: each trainer in a process of its own, of whose peak the part before
the networks were built is told, too; and the bytes that autograd saves for the backward pass. For Linux.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bare_trainer import MSTKD, SMALL_PATCH, STOCK, make_batch, make_trainer  # first: it sets the environment

import torch  # isort: skip
from brats_plan import FEATURES, patch_of, patch_text
from paired_ratios import ratios, spread, spread_text
from saved_bytes import saved_bytes

from nnunetv2_mstkd.distillation.step import needs_attention
from nnunetv2_mstkd.distillation.subset_draw import mask_modalities

BARS = {"step": 2.3, "rest": 0.06, "peak": 2.2}
REPORTED = "MEMORY="
WARM_UP = 2  # rounds; the first step of a trainer also measures its gradient norms and builds the optimiser's state


def main() -> None:
    """Measure and print."""
    arguments = _parser().parse_args()
    if arguments.inside:
        _memory_inside(arguments)
        return
    rounds = measure_time(arguments)
    memory = {name: measure_memory(name, arguments) for name in (STOCK, MSTKD)}
    result = {
        "patch": patch_text(arguments.patch),
        "batch": arguments.batch,
        "stages": arguments.stages,
        "settings": arguments.settings,
        "threads": torch.get_num_threads(),
        "seconds": rounds,
        "memory": memory,
        **summary(rounds, memory),
    }
    report(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", type=patch_of, default=SMALL_PATCH, help="voxels, divisible by 32, 32 and 16")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--stages", type=int, default=len(FEATURES), help="of the plan, from the finest (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON, for the plans' section mstkd")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser


def _make(name: str, arguments: argparse.Namespace) -> Any:
    settings = arguments.settings if name == MSTKD else {}
    return make_trainer(name, arguments.patch, arguments.batch, settings=settings, stages=arguments.stages)


# time ----------------------------------------------------------------------------------------------------------------


def measure_time(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds of each round: `stock`, `mstkd` and `branches`, what MST-KD's networks take by themselves."""
    stock, ours = _make(STOCK, arguments), _make(MSTKD, arguments)
    batch = make_batch(ours)
    parts: dict[str, Callable[[], Any]] = {
        "stock": lambda: stock.train_step(batch),
        "mstkd": lambda: ours.train_step(batch),
        "branches": lambda: run_branches(ours, batch),
    }
    rounds: dict[str, list[float]] = {name: [] for name in parts}
    for i in range(WARM_UP + arguments.rounds):
        for name, run in parts.items():
            started = time.perf_counter()
            run()
            if i >= WARM_UP:
                rounds[name].append(time.perf_counter() - started)
        print(f"round {i + 1} of {WARM_UP + arguments.rounds}", flush=True)
    return rounds


def run_branches(trainer: Any, batch: dict[str, Any]) -> None:
    """Run the forward and backward passes of both branches, without any loss, optimiser or discriminator."""
    trainer.optimizer.zero_grad(set_to_none=True)
    image, available = trainer.available_image(batch)
    masked = mask_modalities(image, trainer.training_mask(available))
    teacher, student = trainer._teacher.forward(trainer.network, image, masked, needs_attention(trainer.settings))
    logits = [scale for scale in (*teacher.logits, *student.logits) if scale.requires_grad]
    torch.autograd.backward(logits, [torch.ones_like(scale) for scale in logits])


# memory --------------------------------------------------------------------------------------------------------------


def measure_memory(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Return the memory of a trainer's steps in MB, measured in a process of its own."""
    plan = ("--patch", patch_text(arguments.patch), "--batch", str(arguments.batch), "--stages", str(arguments.stages))
    command = [sys.executable, __file__, "--inside", name, *plan, "--settings", json.dumps(arguments.settings)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    (line,) = [line for line in printed.splitlines() if line.startswith(REPORTED)]
    return dict(json.loads(line.removeprefix(REPORTED)))


def _memory_inside(arguments: argparse.Namespace) -> None:
    before = _peak_mb()
    trainer = _make(arguments.inside, arguments)
    batch = make_batch(trainer)
    for _ in range(WARM_UP):
        trainer.train_step(batch)
    peak = _peak_mb()
    memory = {"before": before, "peak": peak, "saved": saved_bytes(trainer, batch) / 2**20}
    print(f"{REPORTED}{json.dumps(memory)}", flush=True)


def _peak_mb() -> float:
    # not getrusage: its maximum has what the parent held when it started this process
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# the report ----------------------------------------------------------------------------------------------------------


def summary(rounds: dict[str, list[float]], memory: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return the ratios: time with median and extremes of the rounds, memory of ours over nnU-Net's."""
    stock, ours = memory[STOCK], memory[MSTKD]
    return {
        "step": spread(ratios(rounds["mstkd"], rounds["stock"])),
        "rest": spread([1 - share for share in ratios(rounds["branches"], rounds["mstkd"])]),
        "peak": ours["peak"] / stock["peak"],
        "peak_of_networks": (ours["peak"] - ours["before"]) / (stock["peak"] - stock["before"]),
        "saved": ours["saved"] / stock["saved"],
    }


def report(result: dict[str, Any]) -> None:
    """Print what was measured."""
    plan = f"patch {result['patch']}, batch {result['batch']}, {result['stages']} stages"
    print(f"\n{plan}, {result['threads']} threads, {result['settings']}")
    for name, seconds in result["seconds"].items():
        print(f"  {name}: {', '.join(f'{s:.2f}' for s in seconds)} s")
    print(f"step over nnU-Net's: {spread_text(result['step'], '.3f')}; bar: {BARS['step']}")
    print(f"not the branches' own passes: {spread_text(result['rest'], '.1%')}; bar: {BARS['rest']:.0%}")
    for name, memory in result["memory"].items():
        print(f"  {name}: {', '.join(f'{key} {value:.0f} MB' for key, value in memory.items())}")
    print(
        f"peak over nnU-Net's: {result['peak']:.2f}; bar: {BARS['peak']}; without what is there before the networks: "
        f"{result['peak_of_networks']:.2f}; saved for backward: {result['saved']:.2f}"
    )


if __name__ == "__main__":
    main()
