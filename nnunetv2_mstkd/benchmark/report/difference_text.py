"""A difference to the baseline in words (L2)."""

from collections.abc import Mapping
from typing import Any

from nnunetv2_mstkd.benchmark.report.number_text import decimals, is_number, shown, shown_p
from nnunetv2_mstkd.evaluation.metrics import Metric


def difference_text(row: Mapping[str, Any], metric: Metric) -> str:
    """Return "mean difference +0.07, 95 % interval +0.03 to +0.10, p = 0.02 after Holm" of a comparison."""
    digits = decimals(metric.unit, fine=True)
    text = f"mean difference {shown(row['mean_difference'], digits, signed=True)}"
    if is_number(row["ci_low"]) and is_number(row["ci_high"]):
        low, high = (shown(row[end], digits, signed=True) for end in ("ci_low", "ci_high"))
        text += f", 95 % interval {low} to {high}"
    if metric.unit:
        text += f", median difference {shown(row['median_difference'], digits, signed=True)}"
    if is_number(row.get("holm_p")):
        text += f", p = {shown_p(row['holm_p'])} after Holm"
    return text.replace("p = <", "p <")
