"""How the patients spread: boxes and points by region, model and number of modalities (L2)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.report.axis import Axis
from nnunetv2_mstkd.benchmark.report.drawing import horizontal_grid, line, picture, points, rectangle, text
from nnunetv2_mstkd.benchmark.report.number_text import shown
from nnunetv2_mstkd.benchmark.results import nanmean
from nnunetv2_mstkd.evaluation.empty_policy import WORST_HD95_MM

WIDTH, HEIGHT = 400.0, 252.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 4.0, 10.0, 40.0
FLOOR_MM = 0.5  # the smallest distance on a logarithmic axis; 0 is drawn there
TICKS_MM = (1, 2, 5, 10, 20, 50, 100, 200, WORST_HD95_MM)  # of a logarithmic axis; the last is the penalty
SMALLEST_FOR_BOX = 4  # quartiles of fewer values say no more than the values


@dataclass(frozen=True)
class Box:
    """What is drawn of the values of one model.

    Args:
        quartiles: 25, 50 and 75 %.
        whiskers: the outermost values within 1.5 interquartile ranges of the box, as Tukey has them.
    """

    quartiles: tuple[float, float, float]
    whiskers: tuple[float, float]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Box":
        """Return the box of finite values, at least one."""
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        reach = 1.5 * (high - low)
        inside = values[(values >= low - reach) & (values <= high + reach)]
        return cls((float(low), float(middle), float(high)), (float(inside.min()), float(inside.max())))


def by_size(values: NDArray[np.float64], sizes: Sequence[int]) -> dict[int, NDArray[np.float64]]:
    """Return each patient's mean over the subsets with so many modalities.

    Args:
        values: float (models, subsets, regions, cases).
        sizes: number of modalities of each subset.

    Returns:
        By number: float (models, regions, cases); NaN where nothing was scored.
    """
    of_subset = np.asarray(sizes)
    return {int(size): nanmean(values[:, of_subset == size], axis=1) for size in np.unique(of_subset)}


def draw_distribution(
    values: dict[int, NDArray[np.float64]], colours: Sequence[str], *, is_distance: bool, label: str
) -> Markup:
    """Draw one region.

    Args:
        values: by number of modalities, float (models, cases).
        colours: of the models, in CSS.
        is_distance: distances in mm, on a logarithmic axis; else shares of 0..1.
        label: what the drawing shows, in words.
    """
    axis = _axis(values, is_distance=is_distance)
    parts = _log_grid(axis) if is_distance else horizontal_grid(axis, _LEFT, WIDTH - _RIGHT)
    room = (WIDTH - _LEFT - _RIGHT) / len(values)
    for i, (size, of_size) in enumerate(values.items()):
        middle = _LEFT + room * (i + 0.5)
        parts.append(text(middle, HEIGHT - _BOTTOM + 17, str(size), class_="tick middle strong"))
        slot = min(room * 0.8 / len(colours), 34.0)
        for m, colour in enumerate(colours):
            found = of_size[m][np.isfinite(of_size[m])]
            place = middle + (m - (len(colours) - 1) / 2) * slot
            parts.extend(_draw_values(found, axis, place, slot, colour, is_distance=is_distance))
    below = "number of available modalities"
    parts.append(text((_LEFT + WIDTH) / 2, HEIGHT - 6, below, class_="tick middle"))
    return picture(WIDTH, HEIGHT, label, parts)


def jitter(count: int) -> NDArray[np.float64]:
    """Return offsets of -1..1 that spread points evenly and are the same each time: van der Corput's sequence."""
    offsets = [int(f"{i:b}"[::-1], 2) / 2 ** len(f"{i:b}") for i in range(1, count + 1)]
    return 2 * np.asarray(offsets, dtype=float) - 1


def _draw_values(
    values: NDArray[np.float64], axis: Axis, x: float, slot: float, colour: str, *, is_distance: bool
) -> list[Markup]:
    """Draw points and a box, whose quartiles and whiskers are of the values themselves, not of their logarithms."""
    if values.size == 0:
        return []
    dot, kind = (3.4, "dots") if values.size <= 60 else (2.2, "dots many")
    xs = x + jitter(values.size) * slot * 0.26
    ys = [axis.at(_scaled(value, is_distance)) for value in values.tolist()]
    dots = points(xs.tolist(), ys, stroke=colour, stroke_width=dot, class_=kind)
    if values.size < SMALLEST_FOR_BOX:
        return [dots]
    box = Box.of(values)
    low, middle, high = (axis.at(_scaled(v, is_distance)) for v in box.quartiles)
    least, most = (axis.at(_scaled(v, is_distance)) for v in box.whiskers)
    half = slot * 0.36
    return [
        line(x, low, x, least, stroke=colour, class_="whisker"),
        line(x, high, x, most, stroke=colour, class_="whisker"),
        rectangle(x - half, high, 2 * half, max(low - high, 0.5), fill=colour, stroke=colour, class_="box"),
        dots,
        line(x - half, middle, x + half, middle, class_="median"),
    ]


def _axis(values: dict[int, NDArray[np.float64]], *, is_distance: bool) -> Axis:
    if not is_distance:
        return Axis(0.0, 1.0, HEIGHT - _BOTTOM, _TOP, 0.2)
    found = np.concatenate([v[np.isfinite(v)] for v in values.values()])
    low = max(FLOOR_MM, float(np.min(found, initial=5.0)) / 1.5)
    high = float(np.max(found, initial=20.0))
    return Axis(math.log10(low), math.log10(high) + 0.03, HEIGHT - _BOTTOM, _TOP, 1.0)


def _scaled(value: float, is_distance: bool) -> float:
    return math.log10(max(value, FLOOR_MM)) if is_distance else value


def _log_grid(axis: Axis) -> list[Markup]:
    parts = []
    for tick in TICKS_MM:
        if not axis.low <= math.log10(tick) <= axis.high:
            continue
        y = axis.at(math.log10(tick))
        parts.append(line(_LEFT, y, WIDTH - _RIGHT, y, class_="grid"))
        if tick not in (2, 200):
            parts.append(text(_LEFT - 6, y + 3.5, shown(tick, 0), class_="tick end"))
    return parts
