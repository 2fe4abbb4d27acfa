"""The record of a training: one CSV row per epoch, and a figure (L3)."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "mstkd_metrics.csv"
FIGURE_NAME = "mstkd_progress.png"


class MetricsLog:
    """Rows of named numbers, kept whole on disk after each epoch.

    Args:
        folder: of the fold, beside nnU-Net's log.
        first_epoch: of this run: rows of a killed run from there on are dropped, they will be made again.
    """

    def __init__(self, folder: str, first_epoch: int) -> None:
        self.file = Path(folder) / FILE_NAME
        self.rows: list[dict[str, float]] = []
        if first_epoch and self.file.is_file():
            with open(self.file, newline="") as file:
                rows = [
                    {key: float(value) for key, value in row.items() if value != ""} for row in csv.DictReader(file)
                ]
            self.rows = [row for row in rows if row["epoch"] < first_epoch]

    def append(self, epoch: int, values: Mapping[str, float]) -> None:
        """Add an epoch's row and rewrite file and figure."""
        self.rows.append({"epoch": epoch, **values})
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        temporary = self.file.with_name(f".{self.file.name}.partial")
        with open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(temporary, self.file)
        self._plot(columns)

    def _plot(self, columns: list[str]) -> None:
        from matplotlib import pyplot as plt  # nnU-Net's logger has set the backend

        panels = {
            "loss terms, unweighted": [c for c in columns if c.startswith("loss_")],
            "gradient norm at the student's bottleneck, weighted": [c for c in columns if c.startswith("gradient_")],
            "pseudo Dice, all modalities": [c for c in columns if c.startswith("dice_")],
            "attention entropy (1 = uniform) and ramp": [c for c in columns if c.startswith(("attention_", "ramp"))],
        }
        figure, axes = plt.subplots(len(panels), 1, figsize=(11, 4 * len(panels)), layout="constrained")
        for axis, (title, names) in zip(axes, panels.items(), strict=True):
            for name in names:
                points = [(row["epoch"], row[name]) for row in self.rows if name in row]
                axis.plot(*zip(*points, strict=True), marker=".", label=name.split("_", 1)[-1].replace("_", " "))
            axis.set(title=title, xlabel="epoch")
            if title.startswith("gradient"):
                axis.set_yscale("log")
            if names:
                axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
        figure.savefig(self.file.with_name(FIGURE_NAME), dpi=80)
        plt.close(figure)
