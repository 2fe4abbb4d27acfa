"""The records and the summary as CSV, unrounded, for a program of one's own (L2)."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from typing import Any

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.facts_array import Scored
from nnunetv2_mstkd.benchmark.results import Results
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.metrics import METRICS, is_policy_case, metric_value

PLACE = ("model", "repeat", "folds", "case", "subset", "region")
FACTS = (
    "voxels_reference", "voxels_prediction", "voxels_both", "voxel_ml", "volume_reference_ml", "volume_prediction_ml",
    "hd95_reference_mm", "hd95_prediction_mm",
)  # fmt: skip
CELL = ("n", "mean", "sd", "median", "q1", "q3", "min", "max", "penalised")
PAIRED = {"n": "pairs", "mean": "paired_mean", "baseline_mean": "paired_baseline_mean"}  # key of a comparison -> column
COMPARISON = (
    "mean_difference", "median_difference", "ci_low", "ci_high", "wilcoxon_p", "holm_p", "rank_biserial", "zeros",
    "wins", "ties", "losses",
)  # fmt: skip


def records_csv(results: Results, policy: str) -> str:
    """Return a line for each model, repeat, case, subset and region: facts, and all metrics under a policy."""
    metrics = [m.name for m in METRICS.values() if results.benchmark.lesion_wise or not m.is_lesion_wise]
    header = [*PLACE, *FACTS, "empty", *metrics]
    return _csv(header, (line for scored in results.records for line in _lines(scored, metrics, policy)))


def summary_csv(summary: Mapping[str, Any]) -> str:
    """Return a line for each metric, model, subset and region; the subset or the region may be "all"."""
    lines = []
    for metric, content in summary["metrics"].items():
        rows = {kind: {_place(row): row for row in content[kind]} for kind in ("cells", "comparisons")}
        means = {(row["model"], ALL, row["region"]): row for row in content["averages"]}
        for place in dict.fromkeys([*rows["cells"], *means, *rows["comparisons"]]):
            own = rows["cells"].get(place) or means.get(place, {})
            difference = rows["comparisons"].get(place, {})
            numbers = [*(own.get(key) for key in CELL), *(difference.get(key) for key in COMPARISON)]
            lines.append([metric, *place, *numbers, *(difference.get(key) for key in PAIRED)])
    return _csv(["metric", "model", "subset", "region", *CELL, *COMPARISON, *PAIRED.values()], lines)


def _lines(scored: Scored, metrics: Sequence[str], policy: str) -> Iterator[list[Any]]:
    training, record = scored.training, scored.record
    for subset, by_region in record.scores.items():
        for region, facts in by_region.items():
            place = [training.title, training.repeat, "+".join(training.folds), record.case, subset, region]
            values = [metric_value(facts, metric, policy) for metric in metrics]
            yield [*place, *(getattr(facts, name) for name in FACTS), _empty(facts), *values]


def _empty(facts: MaskFacts) -> str:
    """Return which mask is empty: "", "both", "reference" or "prediction"."""
    if not is_policy_case(facts):
        return ""
    if facts.is_reference_empty and facts.is_prediction_empty:
        return "both"
    return "reference" if facts.is_reference_empty else "prediction"


def _csv(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Return CSV; what is undefined is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([None if isinstance(v, float) and isnan(v) else v for v in line] for line in lines)
    return text.getvalue()


def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["model"], row["subset"], row["region"]
