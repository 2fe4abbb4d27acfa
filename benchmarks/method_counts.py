"""Counts what each method's networks hold and compute, without running them: parameters and FLOPs.

    python benchmarks/method_counts.py                       # nnU-Net's BraTS plan, its patch of 128x160x112
    python benchmarks/method_counts.py --patch 64x96x64

FLOPs are of one tile, two per multiply-add, with all modalities and with the first alone: a network with an encoder for
each runs only one then. Training only: what a training holds beside the network that predicts.
"""

import argparse
import copy
import json
from pathlib import Path
from typing import Any

from bare_trainer import STOCK, make_trainer  # first: it sets the environment

import torch  # isort: skip
from brats_plan import PATCH, patch_of
from saved_bytes import modules_beside
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nnunetv2_mstkd.inference.modality_encoders import see_only
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.unwrap import unwrap

METHODS = (
    STOCK,
    "nnUNetTrainerModalityDropout",
    "nnUNetTrainerMSTKD",
    "nnUNetTrainerACN",
    "nnUNetTrainerSMUNet",
    "nnUNetTrainerRAHVED",
    "nnUNetTrainerRMBTS",
    "nnUNetTrainerMMFormer",
    "nnUNetTrainerM2FTrans",
)
HEAD = ("trainer", "parameters (M)", "training only (M)", "GFLOP", "one modality")


def main() -> None:
    """Count, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", default=",".join(METHODS), help="names, comma-separated (default: all nine)")
    parser.add_argument("--patch", type=patch_of, default=PATCH, help="voxels, divisible by the plan's strides")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    methods = {name: counts_of(make_trainer(name, arguments.patch, 2)) for name in arguments.trainers.split(",")}
    rows = [HEAD, ["---"] * len(HEAD), *((name, *cells(counts)) for name, counts in methods.items())]
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    if arguments.json:
        arguments.json.write_text(json.dumps({"patch": list(arguments.patch), "methods": methods}, indent=1))


def cells(counts: dict[str, int]) -> list[str]:
    """Return a row of the table, without the name."""
    millions = (counts["parameters"] / 1e6, counts["training_only_parameters"] / 1e6)
    return [f"{value:.2f}" for value in (*millions, counts["flops"] / 1e9, counts["flops_one"] / 1e9)]


def counts_of(trainer: Any) -> dict[str, int]:
    """Return parameters, and FLOPs of a tile of the plan's patch, of an initialised trainer's networks."""
    network = unwrap(trainer.network)
    modalities = Modalities.from_dataset_json(trainer.dataset_json)
    tile = torch.empty(1, len(modalities), *trainer.configuration_manager.patch_size, device="meta")
    trainer.set_deep_supervision_enabled(False)
    of_tile = {}
    for suffix, subset in (("", modalities.all), ("_one", modalities.subset(modalities.names[0]))):
        see_only(network, subset)
        of_tile[f"flops{suffix}"] = flops(network, tile)
    see_only(network, modalities.all)
    trainer.set_deep_supervision_enabled(True)
    return {
        "parameters": count(network.parameters()),
        "training_only_parameters": count(training_only(trainer)),
        **of_tile,
    }


def flops(network: nn.Module, tile: torch.Tensor) -> int:
    """Return the FLOPs of a forward pass of a tile (1, M, *patch) on the device meta."""
    bare = copy.deepcopy(network).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        bare(tile)
    return int(counter.get_total_flops())


def count(parameters: Any) -> int:
    """Return the number of numbers in parameters, each tensor once."""
    return sum({id(p): p.numel() for p in parameters}.values())


def training_only(trainer: Any) -> list[nn.Parameter]:
    """Return the parameters that a training holds beside the network that predicts, averages of it included."""
    own = {id(p) for p in trainer.network.parameters()}
    return [p for module in modules_beside(trainer) for p in module.parameters() if id(p) not in own]


if __name__ == "__main__":
    main()
