"""What each method costs beside nnU-Net on one plan: parameters, FLOPs, bytes, a training step, a tile; on the CPU.

    python benchmarks/method_costs.py                                       # the BraTS plan, a patch of 64x96x64
    python benchmarks/method_costs.py --patch 128x160x112                   # nnU-Net's own: minutes a step, 40 GB
    python benchmarks/method_costs.py --patch 32x32x32 --stages 4           # smaller: the first of its stages
    python benchmarks/method_costs.py --plans FILE --dataset-json FILE      # any other plan
    python benchmarks/method_costs.py --trainers nnUNetTrainerMSTKD --json FILE

Seconds: pairs A B A B of a step of nnUNetTrainer and one of the method, and of a tile of both at prediction; ratios are
within a pair. Saved: bytes that autograd keeps in a step for its backward passes. Steps of discriminators are in the
seconds. What is counted, and not measured, is of method_counts.py.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bare_trainer import SMALL_PATCH, STOCK, make_batch, make_trainer, make_trainer_of  # first: it sets the environment

import torch  # isort: skip
from brats_plan import patch_of, patch_text
from method_counts import METHODS, cells, count, counts_of
from paired_ratios import ratios, spread, spread_text
from saved_bytes import saved_bytes
from torch import nn

from nnunetv2_mstkd.inference.modality_encoders import see_only
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.unwrap import unwrap

WARM_UP = 2  # pairs; the first step of a trainer also builds the state of its optimisers


def main() -> None:
    """Measure and print."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.plans and arguments.stages:
        parser.error("--stages is of the BraTS plan: --plans has its own")
    stock = _make(STOCK, arguments)
    methods = {}
    for name in arguments.trainers.split(","):
        methods[name] = costs_of(_make(name, arguments), stock, arguments.rounds)
        print(_line(name, methods[name]), flush=True)
    configuration = stock.configuration_manager
    result = {
        "patch": list(configuration.patch_size),
        "batch": configuration.batch_size,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "methods": methods,
    }
    print(f"\n{table(result)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", default=",".join(METHODS), help="names, comma-separated (default: all nine)")
    parser.add_argument("--patch", type=patch_of, help="voxels, divisible by the plan's strides")
    parser.add_argument("--batch", type=int, help="samples (default: 2, or the plan's)")
    parser.add_argument("--stages", type=int, help="of the BraTS plan, from the finest (default: all six)")
    parser.add_argument("--plans", type=Path, help="plans of nnU-Net; with --dataset-json")
    parser.add_argument("--dataset-json", type=Path)
    parser.add_argument("--configuration", default="3d_fullres", help="of --plans (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file to write")
    return parser


def _make(name: str, arguments: argparse.Namespace) -> Any:
    if arguments.plans is None:
        own = {} if arguments.stages is None else {"stages": arguments.stages}
        return make_trainer(name, arguments.patch or SMALL_PATCH, arguments.batch or 2, **own)
    plans = json.loads(arguments.plans.read_text())
    configuration = plans["configurations"][arguments.configuration]
    configuration["patch_size"] = list(arguments.patch or configuration["patch_size"])
    configuration["batch_size"] = arguments.batch or configuration["batch_size"]
    dataset_json = json.loads(arguments.dataset_json.read_text())
    return make_trainer_of(name, plans, dataset_json, arguments.configuration)


def costs_of(trainer: Any, stock: Any, rounds: int) -> dict[str, Any]:
    """Return what a method costs.

    Args:
        trainer: of the method, initialised.
        stock: nnUNetTrainer on the same plan.
        rounds: pairs that count.
    """
    batch = make_batch(trainer)
    step = paired(lambda: stock.train_step(batch), lambda: trainer.train_step(batch), rounds)
    saved = {name: saved_bytes(of, batch) for name, of in (("stock", stock), ("method", trainer))}
    counts = counts_of(trainer)
    trainer.set_deep_supervision_enabled(False)
    stock.set_deep_supervision_enabled(False)
    network, plain, tile = unwrap(trainer.network), unwrap(stock.network), batch["data"][:1]
    result = {
        **counts,
        "parameters_ratio": counts["parameters"] / count(plain.parameters()),
        "weight_bytes": sum(p.numel() * p.element_size() for p in network.parameters()),
        "saved_bytes": saved["method"],
        "saved_ratio": saved["method"] / saved["stock"],
        "seconds": step,
        "step": _ratio(step),
    }
    modalities = Modalities.from_dataset_json(trainer.dataset_json)
    for suffix, subset in (("", modalities.all), ("_one", modalities.subset(modalities.names[0]))):
        see_only(network, subset)
        seconds = paired(lambda: predict(plain, tile), lambda: predict(network, tile), rounds)
        result[f"tile{suffix}"] = _ratio(seconds)
    see_only(network, modalities.all)
    trainer.set_deep_supervision_enabled(True)
    stock.set_deep_supervision_enabled(True)
    return result


def paired(stock: Callable[[], Any], method: Callable[[], Any], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of both, run in turns; the first pairs do not count."""
    seconds: dict[str, list[float]] = {"stock": [], "method": []}
    for i in range(WARM_UP + rounds):
        for name, run in (("stock", stock), ("method", method)):
            started = time.perf_counter()
            run()
            elapsed = time.perf_counter() - started
            if i >= WARM_UP:
                seconds[name].append(elapsed)
    return seconds


def _ratio(seconds: dict[str, list[float]]) -> dict[str, float]:
    return spread(ratios(seconds["method"], seconds["stock"]))


def predict(network: nn.Module, tile: torch.Tensor) -> None:
    """Run a network on a tile (1, M, *patch) as prediction does."""
    with torch.inference_mode():
        network.eval()(tile)
    network.train()


# the report ----------------------------------------------------------------------------------------------------------


def table(result: dict[str, Any]) -> str:
    """Return the costs as a Markdown table."""
    lines = [
        f"Patch {patch_text(result['patch'])}, batch {result['batch']}, {result['threads']} threads.",
        "",
        "| trainer | parameters (M) | training only (M) | GFLOP | one modality | step | saved | tile | one modality |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(name, cost) for name, cost in result["methods"].items())])


def _line(name: str, cost: dict[str, Any]) -> str:
    step, tile, tile_one = (spread_text(cost[key]) for key in ("step", "tile", "tile_one"))
    measured = (step, f"{cost['saved_ratio']:.2f}", tile, tile_one)
    return f"| {name} | {' | '.join((*cells(cost), *measured))} |"


if __name__ == "__main__":
    main()
