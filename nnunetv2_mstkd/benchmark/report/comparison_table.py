"""Every comparison of a metric and region with all that the test found (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.benchmark.report.number_text import decimals, is_number, shown, shown_p
from nnunetv2_mstkd.benchmark.report.summary_index import Row, SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import Metric

HEADINGS = (
    "n",
    "mean difference",
    "95 % interval",
    "median difference",
    "better",
    "equal",
    "worse",
    "rank-biserial",
    "p",
    "Holm p",
)


@dataclass(frozen=True)
class ComparisonRow:
    """A model against the baseline with a subset.

    Args:
        model: title.
        subset: name.
        texts: as HEADINGS has them.
        tone: "better" or "worse" where the difference stands after Holm's correction, else "".
    """

    model: str
    subset: str
    texts: tuple[str, ...]
    tone: str


def comparison_rows(index: SummaryIndex, metric: Metric, region: str) -> tuple[ComparisonRow, ...]:
    """Return a row for each model but the baseline, and each subset that both were scored on."""
    return tuple(
        ComparisonRow(model, subset, _texts(row, metric), index.verdict(metric.name, model, subset, region))
        for model in index.others
        for subset in index.subsets
        if (row := index.comparison(metric.name, model, subset, region)) is not None
    )


def _texts(row: Row, metric: Metric) -> tuple[str, ...]:
    digits = decimals(metric.unit, fine=True)
    mean, median, low, high = (
        shown(row[key], digits, signed=True) for key in ("mean_difference", "median_difference", "ci_low", "ci_high")
    )
    interval = f"{low} to {high}" if is_number(row["ci_low"]) and is_number(row["ci_high"]) else shown(None, 0)
    counts = (str(row[key]) for key in ("wins", "zeros", "losses"))
    tested = (shown(row["rank_biserial"], 2, signed=True), shown_p(row["wilcoxon_p"]), shown_p(row["holm_p"]))
    return (str(row["n"]), mean, interval, median, *counts, *tested)
