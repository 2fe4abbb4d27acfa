"""How a training step grows with patch, modalities and tokens: nnUNetTrainer's beside nnUNetTrainerMSTKD's.

    python benchmarks/step_scaling.py FOLDER [--rounds 3]      # writes step_scaling.json and step_scaling.png

Time is processor seconds, its ratios are within a round; memory is what autograd saves for the backward pass, weights
not counted. Tokens are the voxels of the deepest stage: they grow as stages are taken away from nnU-Net's BraTS plan,
up to the limit of 512. The cost of distillation must not grow faster than the networks' with patch and modalities: the
ratio of the two trainers stays or falls. With the tokens it grows, as the maps of attention are their square.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bare_trainer import MSTKD, STOCK, make_batch, make_trainer  # first: it sets the environment
from paired_ratios import ratios, spread, spread_text
from saved_bytes import saved_bytes

from nnunetv2_mstkd.architectures.multiscale_transformer import patch_embedding_size

PATCHES = ((32, 32, 32), (64, 32, 32), (64, 64, 32), (64, 64, 64), (96, 64, 64))
MODALITIES = (2, 3, 4, 5, 6)
STAGES = (6, 5, 4)
PATCH = (64, 64, 32)
TRAINERS = (STOCK, MSTKD)


@dataclass(frozen=True)
class Point:
    """One plan to measure.

    Args:
        axis: what it varies: "voxels", "modalities" or "tokens".
        patch: voxels.
        modalities: input channels.
        stages: of the network.
    """

    axis: str
    patch: tuple[int, ...] = PATCH
    modalities: int = 4
    stages: int = 6


POINTS = (
    *(Point("voxels", patch=patch) for patch in PATCHES),
    *(Point("modalities", modalities=count) for count in MODALITIES),
    *(Point("tokens", stages=stages) for stages in STAGES),
)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("voxels", "modalities", "tokens"), help="one of the three")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for point in POINTS:
        if arguments.only in (None, point.axis):
            rows.append(measure(point, arguments.rounds))
            print(_line(rows[-1]), flush=True)
            (arguments.folder / "step_scaling.json").write_text(json.dumps(rows, indent=1))
    plot(rows, arguments.folder / "step_scaling.png")


def measure(point: Point, rounds: int) -> dict[str, Any]:
    """Return the seconds of each round's steps, and the MB that a step saves for its backward pass, of each trainer."""
    trainers = {name: make_trainer(name, point.patch, 2, point.modalities, stages=point.stages) for name in TRAINERS}
    batch = make_batch(trainers[MSTKD])
    for trainer in trainers.values():  # the first step also measures the gradients of the terms, by a pass of its own
        trainer.train_step(batch)
    saved = {name: saved_bytes(trainer, batch) / 2**20 for name, trainer in trainers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in TRAINERS}
    for _ in range(rounds):
        for name, trainer in trainers.items():
            started = time.process_time()
            trainer.train_step(batch)
            seconds[name].append(time.process_time() - started)
    return {**asdict(point), "x": _place(point, trainers[STOCK]), "seconds": seconds, "saved_mb": saved}


def _place(point: Point, trainer: Any) -> int:
    """Return the point's place on its axis."""
    if point.axis == "modalities":
        return point.modalities
    if point.axis == "voxels":
        return math.prod(point.patch)
    grid = list(point.patch)
    for stride in trainer.network.encoder.strides:
        grid = [n // s for n, s in zip(grid, stride, strict=True)]
    return math.prod(-(-n // size) for n, size in zip(grid, patch_embedding_size(grid), strict=True))


def time_ratios(row: dict[str, Any]) -> list[float]:
    """Return the seconds of MST-KD over nnU-Net's, of each round."""
    return ratios(row["seconds"][MSTKD], row["seconds"][STOCK])


def _line(row: dict[str, Any]) -> str:
    stock, ours = (statistics.median(row["seconds"][name]) for name in TRAINERS)
    ratio, saved = spread(time_ratios(row)), row["saved_mb"]
    return (
        f"{row['axis']} {row['x']}: {stock:.2f} and {ours:.2f} s, "
        f"ratio {spread_text(ratio)}; "
        f"{saved[STOCK]:.0f} and {saved[MSTKD]:.0f} MB, ratio {saved[MSTKD] / saved[STOCK]:.2f}"
    )


def plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw seconds and MB over each axis, and their ratio."""
    from matplotlib import pyplot as plt

    axes_of = list(dict.fromkeys(row["axis"] for row in rows))
    size = (4 * len(axes_of), 8)
    figure, grid = plt.subplots(3, len(axes_of), figsize=size, squeeze=False, layout="constrained", sharex="col")
    for column, name in enumerate(axes_of):
        points = sorted((row for row in rows if row["axis"] == name), key=lambda row: row["x"])
        x = [row["x"] for row in points]
        for trainer in TRAINERS:
            seconds = [statistics.median(row["seconds"][trainer]) for row in points]
            for panel, values in enumerate((seconds, [row["saved_mb"][trainer] for row in points])):
                grid[panel, column].plot(x, values, marker=".", label=trainer)
        of_time = [statistics.median(time_ratios(row)) for row in points]
        of_memory = [row["saved_mb"][MSTKD] / row["saved_mb"][STOCK] for row in points]
        for values, label in ((of_time, "seconds"), (of_memory, "MB saved")):
            grid[2, column].plot(x, values, marker=".", label=label)
        grid[0, column].set_title(name)
        for panel, label in enumerate(("s a step", "MB saved for backward", "MST-KD over nnU-Net")):
            grid[panel, column].set(ylabel=label, ylim=(0, None))
            grid[panel, column].legend(frameon=False)
        grid[2, column].set_xlabel(name)
    figure.savefig(file, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
