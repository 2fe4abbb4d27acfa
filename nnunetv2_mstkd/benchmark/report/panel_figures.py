"""Distributions and Shapley values as figures for a manuscript, a panel for each region (L2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.report.distribution import FLOOR_MM, SMALLEST_FOR_BOX, TICKS_MM, by_size, jitter
from nnunetv2_mstkd.benchmark.report.figure_style import INK, SOFT, add_legend, model_colours, panels
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
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
    sized = by_size(values, [subset.count("+") + 1 for subset in index.subsets])
    figure, row = panels(len(index.regions))
    width = 0.8 / len(index.models)
    for r, (panel, region) in enumerate(zip(row, index.regions, strict=True)):
        for i, of_size in enumerate(sized.values()):
            for m, colour in enumerate(colours):
                found = of_size[m, r][np.isfinite(of_size[m, r])]
                found = np.maximum(found, FLOOR_MM) if metric.unit else found  # a logarithmic axis has no zero
                _draw_box(panel, i + (m - (len(colours) - 1) / 2) * width, found, width, colour)
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


def _scale_axis(panel: Any, *, is_distance: bool) -> None:
    if not is_distance:
        panel.set_ylim(0, 1)
        return
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    ticks = [tick for tick in TICKS_MM if low <= tick <= high]
    panel.set_yticks(ticks, [f"{tick:.0f}" for tick in ticks])
    panel.set_yticks([], minor=True)


def _draw_box(panel: Any, place: float, values: NDArray[np.float64], width: float, colour: str) -> None:
    spread = place + jitter(values.size) * width * 0.26
    are_many = values.size > _MANY_POINTS
    dots = {"s": 2.5, "alpha": 0.3, "rasterized": True} if are_many else {"s": 4, "alpha": 0.6}
    panel.scatter(spread, values, color=colour, linewidths=0, zorder=1.5, **dots)
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
    panel.boxplot([values], positions=[place], widths=width * 0.8, showfliers=False, patch_artist=True, **options)
