"""The heat map as a figure for a manuscript (L2). matplotlib is loaded when it is drawn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnunetv2_mstkd.benchmark.report.columns import Column
from nnunetv2_mstkd.benchmark.report.figure_style import CHARACTER_IN, EMPTY, HOLLOW, INK, LONGEST_TITLE, SOFT, blank
from nnunetv2_mstkd.benchmark.report.heat_map import Cell, HeatMap
from nnunetv2_mstkd.benchmark.report.number_text import shortened
from nnunetv2_mstkd.benchmark.report.palette import DIVERGING_LIGHT, LEVELS, SEQUENTIAL_LIGHT, SIDE, mixed, text_on
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex

CELL_IN = (0.36, 0.24)
_GAP = 0.25  # between the numbers of modalities, in cells
_GROUP_GAP = 0.35  # between the regions
_KEY = 2.9  # lines beneath the cells
_LEAST = 13.5  # cells that the lines beneath are as wide as
_STEP = 0.14  # width of a colour of the bar, in cells


def heat_map_figure(index: SummaryIndex, columns: Sequence[Column], heat_map: HeatMap) -> Any:
    """Return the figure: dot matrix, cells, means, and beneath them the colours and marks.

    Args:
        index: the summary.
        columns: subsets.
        heat_map: to draw.
    """
    modalities = index.summary["modalities"]
    names = [*modalities, *(_title(row.model) for group in heat_map.groups for row in group.rows)]
    starts = np.cumsum([column.is_first_of_size for column in columns]) - 1
    places = (np.arange(len(columns)) + _GAP * starts).tolist()
    mean, left = places[-1] + 1.6, -1.2 - max(map(len, names)) * CHARACTER_IN / CELL_IN[0]
    right = max(mean + 1.2 + max(len(g.short) for g in heat_map.groups) * CHARACTER_IN / CELL_IN[0], left + _LEAST)
    top, bottom = -len(modalities) - 0.7, sum(len(group.rows) + _GROUP_GAP for group in heat_map.groups) + _KEY
    figure, axes = blank(CELL_IN[0] * (right - left), CELL_IN[1] * (bottom - top))
    _draw_dots(axes, places, columns, modalities)
    axes.text(mean, -0.9, "mean" if len(columns) > 1 else "", ha="center", va="center", color=SOFT)
    end = _draw_cells(axes, [*places, mean], heat_map)
    _draw_key(axes, left + 0.4, end, heat_map, index)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return figure


def _title(model: str) -> str:
    return shortened(model, LONGEST_TITLE)


def _draw_key(axes: Any, x: float, y: float, heat_map: HeatMap, index: SummaryIndex) -> None:
    """Write what is shown, draw the colour bar, and say what the marks are, on a line each."""
    from matplotlib.patches import Rectangle

    compared = f", {_title(index.baseline)} subtracted" if heat_map.is_difference else ""
    axes.text(x, y + 0.1, f"{heat_map.quantity[0].upper()}{heat_map.quantity[1:]}{compared}", va="center", color=SOFT)
    worst, best = heat_map.bar_ends
    start = x + len(worst) * CHARACTER_IN / CELL_IN[0] + 0.3
    axes.text(x, y + 1.1, worst, va="center", color=SOFT)
    for i, colour in enumerate(heat_map.bar):
        axes.add_patch(Rectangle((start + _STEP * i, y + 0.85), _STEP, 0.5, facecolor=_colour(colour), linewidth=0))
    end = start + _STEP * len(heat_map.bar) + 0.3
    axes.text(end, y + 1.1, f"{best} (better)", va="center", color=SOFT)
    if len(index.models) > 1:
        for mark, place in (("better", 0.0), ("worse", 2.6)):
            axes.add_patch(
                Rectangle((x + place, y + 1.85), 0.5, 0.5, facecolor="none", edgecolor=HOLLOW, linewidth=0.6)
            )
            _draw_mark(axes, x + place + 0.25, y + 2.1, 0.25, mark, INK)
            axes.text(x + place + 0.7, y + 2.1, mark, va="center", color=SOFT)
        axes.text(x + 5.0, y + 2.1, f"by ranks, Holm p < {index.alpha}", va="center", color=SOFT)


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
            axes.text(-0.8, y, _title(row.model), ha="right", va="center", color=INK)
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
    axes.text(x, y, cell.text, ha="center", va="center_baseline", color=colour, fontsize=6.6)
    if cell.mark:
        _draw_mark(axes, x, y, 0.48, cell.mark, colour)


def _draw_mark(axes: Any, x: float, y: float, half: float, mark: str, colour: str) -> None:
    """Draw a corner of a cell, as the page has it: the upper right one is better, the lower right one worse."""
    from matplotlib.patches import Polygon

    up = -1 if mark == "better" else 1  # y runs down
    side = min(half, 0.2)
    corner = (x + half, y + up * half)
    ends = [corner, (corner[0] - side, corner[1]), (corner[0], corner[1] - up * side * CELL_IN[0] / CELL_IN[1])]
    axes.add_patch(Polygon(ends, facecolor=colour, linewidth=0, zorder=3))


def _colour(name: str) -> str:
    """Return the colour of a CSS class of the light scheme."""
    number = int(name[1:])
    if name.startswith("s"):
        return mixed(SEQUENTIAL_LIGHT, number / (LEVELS - 1))
    return mixed(DIVERGING_LIGHT, number / (2 * SIDE))
