"""The student's forward pass at inference against the plain network of the plan: nnU-Net's BraTS plan, on the CPU.

    python benchmarks/student_forward.py [--patch 128x160x112] [--pairs 5] [--json FILE]

Paired runs of one tile, A B A B, in float32 without gradients; random weights, as time does not depend on them.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from brats_plan import PATCH, BratsPlan, patch_of, patch_text
from paired_ratios import ratios, spread, spread_text
from torch import nn

from nnunetv2_mstkd.architectures import MSTKDNetwork

BAR = 1.08


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", type=patch_of, default=PATCH, help="voxels, divisible by 32, 32 and 16")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    seconds = measure(BratsPlan(arguments.patch), arguments.pairs)
    ratio = spread(ratios(seconds["student"], seconds["plain"]))
    patch, threads = patch_text(arguments.patch), torch.get_num_threads()
    for name, values in seconds.items():
        print(f"{name}: {', '.join(f'{s:.3f}' for s in values)} s")
    print(f"patch {patch}, {threads} threads: student over plain {spread_text(ratio, '.3f')}; bar: {BAR}")
    if arguments.json:
        result = {"patch": patch, "threads": threads, "seconds": seconds, "ratio": ratio}
        arguments.json.write_text(json.dumps(result, indent=1))


def measure(plan: BratsPlan, pairs: int) -> dict[str, list[float]]:
    """Return the seconds of each forward pass of a tile, after one of each that does not count."""
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {"plain": plan.network(), "student": MSTKDNetwork(plan.network(), plan.patch)}
    image = torch.randn(1, plan.channels, *plan.patch)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for pair in range(pairs + 1):
            for name, network in networks.items():
                network.eval()
                started = time.perf_counter()
                network(image)
                if pair:
                    seconds[name].append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
