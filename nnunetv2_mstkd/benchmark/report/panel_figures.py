"""Distributions, Shapley values and ranks as figures for a manuscript, a panel for each region (L2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.report.columns import subset_sizes
from nnunetv2_mstkd.benchmark.report.distribution import (
    FLOOR_MM,
    SMALLEST_FOR_BOX,
    TICKS_MM,
    Box,
    by_size,
    jitter,
)
from nnunetv2_mstkd.benchmark.report.figure_style import INK, LONGEST_TITLE, SOFT, add_legend, model_colours, panels
from nnunetv2_mstkd.benchmark.report.number_text import is_number, shortened
from nnunetv2_mstkd.benchmark.report.summary_index import Row, SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import METRICS

_MANY_POINTS = 60  # in a box, from which points are drawn as pixels: thousands of them make a vector file slow


def distribution_figure(index: SummaryIndex, name: str, values: NDArray[np.float64]) -> Any:
    """Return boxes and points by number of modalities.

    Args:
        index: the summary.
        name: of the metric.
        values: float (models, subsets, regions, cases).
    """
    metric, colours = METRICS[name], model_colours(index)
    sized = by_size(values, subset_sizes(index.summary["modalities"], index.subsets))
    figure, row = panels(len(index.regions))
    width = 0.8 / len(index.models)
    for r, (panel, region) in enumerate(zip(row, index.regions, strict=True)):
        for i, of_size in enumerate(sized.values()):
            for m, colour in enumerate(colours):
                found = of_size[m, r][np.isfinite(of_size[m, r])]
                floor = FLOOR_MM if metric.unit else 0.0  # a logarithmic axis has no zero
                _draw_box(panel, i + (m - (len(colours) - 1) / 2) * width, found, width, colour, floor)
        panel.set_xticks(range(len(sized)), [str(size) for size in sized])
        panel.set(title=index.shorts[region], xlabel="number of available modalities")
        _scale_axis(panel, is_distance=bool(metric.unit))
    row[0].set_ylabel(f"{metric.title} in {metric.unit}" if metric.unit else metric.title)
    add_legend(figure, index)
    return figure


def importance_figure(index: SummaryIndex, name: str) -> Any:
    """Return bars of the Shapley values of a metric."""
    modalities, colours = index.summary["modalities"], model_colours(index)
    figure, row = panels(len(index.regions))
    height = 0.8 / len(index.models)
    for panel, region in zip(row, index.regions, strict=True):
        for m, model in enumerate(index.models):
            found = [index.shapley(name, model, region, modality) for modality in modalities]
            places = [i + (m - (len(index.models) - 1) / 2) * height for i in range(len(modalities))]
            panel.barh(places, [np.nan if v is None else v for v in found], height * 0.9, color=colours[m])
        panel.set_yticks(range(len(modalities)), modalities)
        panel.invert_yaxis()
        panel.axvline(0, color=SOFT, linewidth=0.6)
        panel.set(title=index.shorts[region], xlabel=f"Shapley value, {METRICS[name].title}")
    add_legend(figure, index)
    return figure


def rank_figure(index: SummaryIndex, name: str, of_regions: Mapping[str, Sequence[Row]]) -> Any:
    """Return mean ranks with their intervals; the models are in the order of the report in each panel.

    Args:
        index: the summary.
        name: of the metric.
        of_regions: ranks by region, or ALL.
    """
    colours = dict(zip(index.models, model_colours(index), strict=True))
    figure, row = panels(len(of_regions))
    for panel, (region, ranks) in zip(row, of_regions.items(), strict=True):
        models = [model for model in index.models if model in {each["model"] for each in ranks}]
        for each in (each for each in ranks if is_number(each["mean_rank"])):
            place, colour = models.index(each["model"]), colours[each["model"]]
            if is_number(each["ci_low"]) and is_number(each["ci_high"]):
                panel.hlines(place, each["ci_low"], each["ci_high"], color=colour, linewidth=1.6)
            panel.scatter([each["mean_rank"]], [place], color=colour, s=22, linewidths=0, zorder=2)
        titles = [shortened(model, LONGEST_TITLE) if panel is row[0] else "" for model in models]
        panel.set_yticks(range(len(models)), titles)
        panel.set(xlim=(0.9, len(models) + 0.1), ylim=(len(models) - 0.5, -0.5), xticks=range(1, len(models) + 1))
        panel.set(
            title="all regions" if region == ALL else index.shorts[region], xlabel=f"mean rank, {METRICS[name].title}"
        )
    return figure


def _scale_axis(panel: Any, *, is_distance: bool) -> None:
    if not is_distance:
        panel.set_ylim(0, 1)
        return
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    ticks = [tick for tick in TICKS_MM if low <= tick <= high]
    panel.set_yticks(ticks, [f"{tick:.0f}" for tick in ticks])
    panel.set_yticks([], minor=True)


def _draw_box(panel: Any, place: float, values: NDArray[np.float64], width: float, colour: str, floor: float) -> None:
    spread = place + jitter(values.size) * width * 0.26
    are_many = values.size > _MANY_POINTS
    dots = {"s": 2.5, "alpha": 0.3, "rasterized": True} if are_many else {"s": 4, "alpha": 0.6}
    panel.scatter(spread, np.maximum(values, floor), color=colour, linewidths=0, zorder=1.5, **dots)
    if values.size < SMALLEST_FOR_BOX:
        return
    line = {"color": colour, "linewidth": 0.8}
    face = {"facecolor": f"{colour}2a", "edgecolor": colour, "linewidth": 0.8}
    options = {
        "boxprops": face,
        "whiskerprops": line,
        "capprops": line,
        "medianprops": {"color": INK, "linewidth": 1.4},
    }
    box = Box.of(values)
    names, numbers = ("q1", "med", "q3", "whislo", "whishi"), (*box.quartiles, *box.whiskers)
    drawn = {name: max(number, floor) for name, number in zip(names, numbers, strict=True)}
    panel.bxp([drawn], positions=[place], widths=width * 0.8, showfliers=False, patch_artist=True, **options)
