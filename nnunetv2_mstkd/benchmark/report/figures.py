"""The figures as files for a manuscript: PNG and SVG, on white (L2). matplotlib is loaded when they are drawn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.report.columns import make_columns
from nnunetv2_mstkd.benchmark.report.figure_style import DPI, figure_style
from nnunetv2_mstkd.benchmark.report.heat_map import make_heat_map
from nnunetv2_mstkd.benchmark.report.heat_map_figure import heat_map_figure
from nnunetv2_mstkd.benchmark.report.importance import importance_axis
from nnunetv2_mstkd.benchmark.report.page import PageContent
from nnunetv2_mstkd.benchmark.report.page_figures import ranked
from nnunetv2_mstkd.benchmark.report.panel_figures import distribution_figure, importance_figure, rank_figure
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import METRICS
from nnunetv2_mstkd.whole_file import whole_file

FORMATS: dict[str, dict[str, Any]] = {
    "png": {},
    "svg": {"metadata": {"Date": None}},
}  # no date: equal input, equal file


def write_figures(folder: Path, content: PageContent) -> None:
    """Write heat maps, distributions, Shapley values and ranks, each as PNG and SVG.

    Args:
        folder: where they go; it is made.
        content: of the page, which shows the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with figure_style():
        for name, figure in _figures(content):
            for ending, options in FORMATS.items():
                with whole_file(folder / f"{name}.{ending}") as temporary:
                    figure.savefig(temporary, dpi=DPI, **options)


def _figures(content: PageContent) -> Iterator[tuple[str, Any]]:
    index = SummaryIndex(content.summary)
    columns = make_columns(content.summary["modalities"], index.subsets)
    for name, values in content.values.items():
        metric = METRICS[name]
        yield f"heat_map_{name}", heat_map_figure(index, columns, make_heat_map(index, metric, is_difference=False))
        if len(index.models) > 1:
            difference = make_heat_map(index, metric, is_difference=True)
            yield f"heat_map_{name}_difference", heat_map_figure(index, columns, difference)
        yield f"distribution_{name}", distribution_figure(index, name, values)
        if importance_axis(index, name, content.summary["modalities"]) is not None:
            yield f"shapley_{name}", importance_figure(index, name)
        if of_regions := ranked(index, name):
            yield f"ranks_{name}", rank_figure(index, name, of_regions)
