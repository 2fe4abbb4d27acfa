"""The drawings of the page, by metric (L2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.report.columns import subset_sizes
from nnunetv2_mstkd.benchmark.report.distribution import by_size, draw_distribution
from nnunetv2_mstkd.benchmark.report.importance import draw_importance, importance_axis
from nnunetv2_mstkd.benchmark.report.number_text import is_number
from nnunetv2_mstkd.benchmark.report.rank_plot import draw_ranks
from nnunetv2_mstkd.benchmark.report.summary_index import Row, SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import METRICS


@dataclass(frozen=True)
class Drawing:
    """A drawing with its heading."""

    title: str
    subtitle: str
    svg: Markup


@dataclass(frozen=True)
class MetricFigure:
    """The drawings of a metric."""

    title: str
    drawings: tuple[Drawing, ...]


def distribution_figures(index: SummaryIndex, values: dict[str, NDArray[np.float64]]) -> list[MetricFigure]:
    """Return a drawing for each region.

    Args:
        index: the summary.
        values: by metric, float (models, subsets, regions, cases).
    """
    sizes = subset_sizes(index.summary["modalities"], index.subsets)
    figures = []
    for name, of_metric in values.items():
        metric, sized = METRICS[name], by_size(of_metric, sizes)
        drawings = []
        for r, region in enumerate(index.regions):
            label = f"{metric.title} of the patients in {region}, by model and number of modalities"
            of_region = {size: v[:, r] for size, v in sized.items()}
            svg = draw_distribution(of_region, _colours(index), is_distance=metric.unit == "mm", label=label)
            drawings.append(_drawing(index, region, svg))
        figures.append(MetricFigure(metric.title, tuple(drawings)))
    return figures


def importance_figures(index: SummaryIndex, metrics: Iterable[str]) -> list[MetricFigure]:
    """Return a drawing for each region of the metrics that have Shapley values."""
    modalities = index.summary["modalities"]
    figures = []
    for name in metrics:
        axis = importance_axis(index, name, modalities)
        if axis is None:
            continue
        drawings = []
        for region in index.regions:
            of_region = {m: [index.shapley(name, model, region, m) for model in index.models] for m in modalities}
            label = f"Shapley values of the modalities for {METRICS[name].title} in {region}"
            drawings.append(_drawing(index, region, draw_importance(of_region, _colours(index), axis, label=label)))
        figures.append(MetricFigure(METRICS[name].title, tuple(drawings)))
    return figures


def rank_figures(index: SummaryIndex, metrics: Iterable[str]) -> list[MetricFigure]:
    """Return a drawing for the mean over regions and each region; none for fewer than three models."""
    figures = []
    for name in metrics:
        drawings = []
        for region, rows in ranked(index, name).items():
            label = f"Mean ranks of the models by {METRICS[name].title}, {region}"
            drawings.append(
                _drawing(index, region, draw_ranks(rows, [index.colour(r["model"]) for r in rows], label=label))
            )
        if drawings:
            figures.append(MetricFigure(METRICS[name].title, tuple(drawings)))
    return figures


def ranked(index: SummaryIndex, metric: str) -> dict[str, list[Row]]:
    """Return the models' ranks, best first, over the regions and by region; nothing where they were not ranked."""
    regions = index.regions if len(index.regions) == 1 else [ALL, *index.regions]
    return {
        region: sorted(rows, key=lambda row: _place(row["mean_rank"]))
        for region in regions
        if (rows := index.ranks(metric, region))
    }


def _place(rank: float | None) -> float:
    return rank if rank is not None and is_number(rank) else float("inf")


def _colours(index: SummaryIndex) -> Sequence[str]:
    return [index.colour(model) for model in index.models]


def _drawing(index: SummaryIndex, region: str, svg: Markup) -> Drawing:
    if region == ALL:
        return Drawing("All regions", "", svg)
    short = index.shorts[region]
    return Drawing(short, region if short != region else "", svg)
