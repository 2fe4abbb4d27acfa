"""Parameters, FLOPs and checkpoint sizes of the student beside the plan's own network, for nnU-Net's BraTS plan.

Nothing is run: everything is on torch's meta device. FLOPs are of one forward pass of one patch, two per multiply-add.

    python benchmarks/network_size.py [--json FILE]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from brats_plan import BratsPlan
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nnunetv2_mstkd.architectures import MSTKDNetwork, StyleDiscriminator

PLAIN, PRESETS = "plan", {"plan": "student, preset `plan`", "paper": "student, preset `paper`"}
BYTES = 4  # of a number in a checkpoint


def main() -> None:
    """Count, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    sizes = measure(BratsPlan())
    report(sizes)
    if arguments.json:
        arguments.json.write_text(json.dumps(sizes, indent=1))


def measure(plan: BratsPlan) -> dict[str, Any]:
    """Return parameters and FLOPs of each network, and the bytes of what a training writes."""
    with torch.device("meta"):
        plain = plan.network()
        discriminator = StyleDiscriminator(nn.Conv3d, plain.encoder.output_channels[-1])
        networks = {PLAIN: plain}
        for preset, name in PRESETS.items():
            networks[name] = MSTKDNetwork(plan.network(), plan.patch, preset=preset)
        sizes = {name: size_of(network, plan) for name, network in networks.items()}
    beside = num_parameters(discriminator)
    stock, student = sizes[PLAIN]["parameters"], sizes[PRESETS["plan"]]["parameters"]
    return {
        "networks": sizes,
        "discriminator_parameters": beside,
        # weights and SGD momentum; weights and the two moments of Adam of the discriminator
        "training_checkpoint_bytes": BYTES * (2 * student + 3 * beside),
        "stock_checkpoint_bytes": BYTES * 2 * stock,
    }


def size_of(network: nn.Module, plan: BratsPlan) -> dict[str, int]:
    """Return parameters and FLOPs of one forward pass of one patch."""
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, plan.channels, *plan.patch))
    return {"parameters": num_parameters(network), "flops": int(counter.get_total_flops())}


def num_parameters(network: nn.Module) -> int:
    """Return how many numbers are learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def report(sizes: dict[str, Any]) -> None:
    """Print the table."""
    plain = sizes["networks"][PLAIN]
    print("| network | parameters (M) | ratio | GFLOP | ratio | student-only checkpoint (MB) |")
    print("|---|---|---|---|---|---|")
    for name, size in sizes["networks"].items():
        parameters, flops = (size[key] / plain[key] for key in ("parameters", "flops"))
        ratios = ("1", "1") if name == PLAIN else (f"{parameters:.2f}", f"{flops:.3f}")
        print(
            f"| {name} | {size['parameters'] / 1e6:.1f} | {ratios[0]} | {size['flops'] / 1e9:.0f} | {ratios[1]} "
            f"| {BYTES * size['parameters'] / 1e6:.0f} |"
        )
    count, training, stock = (
        sizes[key] / 1e6 for key in ("discriminator_parameters", "training_checkpoint_bytes", "stock_checkpoint_bytes")
    )
    print(f"\nIn training only: the discriminator, {count:.1f} M parameters (and a teacher of its own, if asked for).")
    print(f"checkpoint_latest.pth (preset `plan`, with all of the training state): about {training:.0f} MB.")
    print(f"Stock nnU-Net's checkpoints (weights and momentum): about {stock:.0f} MB.")


if __name__ == "__main__":
    main()
