"""The student's forward pass at inference against the plain network of the plan: nnU-Net's BraTS plan, on the CPU.

    python benchmarks/student_forward.py [--patch 128x160x112] [--pairs 5] [--json FILE]

Paired runs of one tile, A B A B, in float32 without gradients; random weights, as time does not depend on them.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from network_size import CHANNELS, PATCH, brats_plan_network
from training_step import patch_of, spread

from nnunetv2_mstkd.architectures import MSTKDNetwork

BAR = 1.08


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", default="x".join(map(str, PATCH)), help="voxels, divisible by 32, 32 and 16")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    seconds = measure(patch_of(arguments.patch), arguments.pairs)
    ratio = spread([s / p for s, p in zip(seconds["student"], seconds["plain"], strict=True)])
    threads = torch.get_num_threads()
    for name, values in seconds.items():
        print(f"{name}: {', '.join(f'{s:.3f}' for s in values)} s")
    print(
        f"patch {arguments.patch}, {threads} threads: student over plain {ratio['median']:.3f} "
        f"({ratio['lowest']:.3f} to {ratio['highest']:.3f}); bar: {BAR}"
    )
    if arguments.json:
        result = {"patch": arguments.patch, "threads": threads, "seconds": seconds, "ratio": ratio}
        arguments.json.write_text(json.dumps(result, indent=1))


def measure(patch: tuple[int, ...], pairs: int) -> dict[str, list[float]]:
    """Return the seconds of each forward pass, after one of each that does not count."""
    torch.manual_seed(0)
    networks: dict[str, Any] = {"plain": brats_plan_network(), "student": MSTKDNetwork(brats_plan_network(), patch)}
    image = torch.randn(1, CHANNELS, *patch)
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
