"""The heat map as a figure for a manuscript (L2). matplotlib is loaded when it is drawn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnunetv2_mstkd.benchmark.report.columns import Column
from nnunetv2_mstkd.benchmark.report.figure_style import EMPTY, HOLLOW, INK, SOFT, blank
from nnunetv2_mstkd.benchmark.report.heat_map import Cell, HeatMap
from nnunetv2_mstkd.benchmark.report.palette import DIVERGING_LIGHT, LEVELS, SEQUENTIAL_LIGHT, SIDE, mixed, text_on
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex

CELL_IN = (0.36, 0.24)
_GAP = 0.25  # between the numbers of modalities, in cells
_GROUP_GAP = 0.35  # between the regions


def heat_map_figure(index: SummaryIndex, columns: Sequence[Column], heat_map: HeatMap) -> Any:
    """Return the figure: dot matrix, cells, means, and what is shown beneath.

    Args:
        index: the summary.
        columns: subsets.
        heat_map: to draw.
    """
    modalities = index.summary["modalities"]
    rows = sum(len(group.rows) + _GROUP_GAP for group in heat_map.groups)
    figure, axes = blank(CELL_IN[0] * (len(columns) + 6), CELL_IN[1] * (rows + len(modalities) + 1))
    starts = np.cumsum([column.is_first_of_size for column in columns]) - 1
    places = (np.arange(len(columns)) + _GAP * starts).tolist()
    _draw_dots(axes, places, columns, modalities)
    mean = places[-1] + 1.6
    axes.text(mean, -0.9, "mean", ha="center", va="center", color=SOFT)
    bottom = _draw_cells(axes, [*places, mean], heat_map)
    unit = f" in {heat_map.metric.unit}" if heat_map.metric.unit else ""
    kind = f"difference to {index.baseline}; * Holm p < {index.alpha}" if heat_map.is_difference else "mean"
    axes.text(-0.5, bottom + 0.1, f"{heat_map.metric.title}{unit}, {kind}", ha="left", va="center", color=SOFT)
    axes.set(xlim=(-4.6, mean + 2.2), ylim=(bottom + 0.6, -len(modalities) - 0.7))
    return figure


def _draw_dots(axes: Any, places: Sequence[float], columns: Sequence[Column], modalities: Sequence[str]) -> None:
    top = -len(modalities)
    for place, column in zip(places, columns, strict=True):
        present = [i for i, dot in enumerate(column.dots) if dot.is_present]
        axes.vlines(place, top + present[0], top + present[-1], color=INK, linewidth=1.1, zorder=1)
    spots = [(x, top + i, dot.is_present) for x, c in zip(places, columns, strict=True) for i, dot in enumerate(c.dots)]
    xs, ys, filled = zip(*spots, strict=True)
    axes.scatter(xs, ys, s=17, c=[INK if is_filled else HOLLOW for is_filled in filled], linewidths=0, zorder=2)
    for i, modality in enumerate(modalities):
        axes.text(-0.8, top + i, modality, ha="right", va="center", color=SOFT)


def _draw_cells(axes: Any, places: Sequence[float], heat_map: HeatMap) -> float:
    """Draw all groups from y = 0 down, and return where they end."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    patches, colours, y = [], [], 0.0
    for group in heat_map.groups:
        axes.text(places[-1] + 0.8, y + (len(group.rows) - 1) / 2, group.short, va="center", weight="bold", color=INK)
        for row in group.rows:
            axes.text(-0.8, y, row.model, ha="right", va="center", color=INK)
            for x, cell in zip(places, (*row.cells, row.average), strict=True):
                patches.append(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96))
                colours.append(EMPTY if cell is None else _colour(cell.colour))
                if cell is not None:
                    _write(axes, x, y, cell, text_on(colours[-1]))
            y += 1
        y += _GROUP_GAP
    axes.add_collection(PatchCollection(patches, facecolors=colours, linewidths=0), autolim=False)
    return y


def _write(axes: Any, x: float, y: float, cell: Cell, colour: str) -> None:
    text = f"{cell.text}*" if cell.mark else cell.text
    axes.text(x, y, text, ha="center", va="center_baseline", color=colour, fontsize=6.6)


def _colour(name: str) -> str:
    """Return the colour of a CSS class of the light scheme."""
    number = int(name[1:])
    if name.startswith("s"):
        return mixed(SEQUENTIAL_LIGHT, number / (LEVELS - 1))
    return mixed(DIVERGING_LIGHT, number / (2 * SIDE))
