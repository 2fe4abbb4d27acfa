"""The page's heat maps, and its tables of scores and comparisons (L2)."""

from dataclasses import dataclass
from typing import Any

from nnunetv2_mstkd.benchmark.report.comparison_table import HEADINGS, ComparisonRow, comparison_rows
from nnunetv2_mstkd.benchmark.report.heat_map import INTERVAL_WIDTH, HeatMap, make_heat_map
from nnunetv2_mstkd.benchmark.report.score_table import ScoreTable, make_score_table
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import METRICS, Metric

MAIN_METRICS = ("dice", "hd95", "hd95_pooled", "nsd")  # those that are drawn; the tables have all of the summary
MANY_COLUMNS = 20  # of the heat map, from which its columns are narrow
FEW_COLUMNS = 8  # of the heat map, up to which it is no wider than it needs


@dataclass(frozen=True)
class PlacedMap:
    """A heat map and the numbers of the two choices that show it: metric, and values or differences."""

    map: HeatMap
    place: tuple[int, int]


@dataclass(frozen=True)
class MetricTables:
    """The tables of a metric, one for each region, and the comparisons that go with each."""

    metric: Metric
    tables: tuple[ScoreTable, ...]
    comparisons: tuple[tuple[ComparisonRow, ...], ...]


def tables_and_maps(index: SummaryIndex) -> dict[str, Any]:
    """Return the variables of the template that the heat maps and the tables of scores need."""
    drawn = [METRICS[name] for name in index.summary["metrics"] if name in MAIN_METRICS]
    kinds = (False, True) if len(index.models) > 1 else (False,)
    maps = [
        PlacedMap(make_heat_map(index, metric, is_difference=kind), (m, int(kind)))
        for m, metric in enumerate(drawn)
        for kind in kinds
    ]
    tables = [
        MetricTables(
            METRICS[name],
            tuple(make_score_table(index, METRICS[name], region) for region in index.regions),
            tuple(comparison_rows(index, METRICS[name], region) for region in index.regions),
        )
        for name in index.summary["metrics"]
    ]
    regions = ["All", *(group.short for group in maps[0].map.groups)] if len(index.regions) > 1 else ["All"]
    count = len(index.subsets)
    return {
        "heat_maps": maps,
        "heat_metrics": [metric.title for metric in drawn],
        "heat_regions": regions,
        "interval_width": INTERVAL_WIDTH,
        "density": "many" if count > MANY_COLUMNS else "narrow" if count <= FEW_COLUMNS else "",
        "score_tables": tables,
        "table_metrics": [table.metric.title for table in tables],
        "comparison_headings": HEADINGS,
        "has_distances": any(table.metric.unit == "mm" for table in tables),
    }
