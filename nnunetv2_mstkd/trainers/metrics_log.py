"""The record of a training: one CSV row per epoch, and a figure (L3)."""

import csv
from collections.abc import Mapping
from pathlib import Path

from nnunetv2_mstkd.whole_file import whole_file

FILE_NAME = "mstkd_metrics.csv"
FIGURE_NAME = "mstkd_progress.png"
# panels of the figure: title -> (prefixes of the columns, scale of the values)
PANELS = {
    "loss terms, unweighted": (("loss_",), "linear"),
    "gradient norm at the student's bottleneck, weighted": (("gradient_",), "log"),
    "pseudo Dice": (("dice_",), "linear"),
    "attention entropy (1 = uniform), ramp": (("attention_entropy_", "ramp"), "linear"),
}


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
        with whole_file(self.file) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        with whole_file(self.file.with_name(FIGURE_NAME)) as temporary:
            self._plot(columns, temporary)

    def _plot(self, columns: list[str], file: Path) -> None:
        from matplotlib import pyplot as plt  # nnU-Net's logger has set the backend

        with plt.style.context("default"):  # nnU-Net sets seaborn's style, with letters for a far larger figure
            shown = {title: panel for title, panel in PANELS.items() if any(c.startswith(panel[0]) for c in columns)}
            figure, grid = plt.subplots(
                len(shown), 1, figsize=(9, 3.5 * len(shown)), layout="constrained", squeeze=False
            )
            for axis, (title, (prefixes, scale)) in zip(grid[:, 0], shown.items(), strict=True):
                names = [column for column in columns if column.startswith(prefixes)]
                for i, name in enumerate(names):
                    points = [(row["epoch"], row[name]) for row in self.rows if name in row]
                    label = name.removeprefix(prefixes[0]).replace("_", " ")
                    axis.plot(*zip(*points, strict=True), marker=".", color=plt.get_cmap("tab20")(i), label=label)
                axis.set(title=title, xlabel="epoch", yscale=scale)
                axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
            figure.savefig(file, dpi=80, format="png")
            plt.close(figure)
