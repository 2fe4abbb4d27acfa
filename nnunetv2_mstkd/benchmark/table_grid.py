"""The paper's layout of one metric and region, as text cells: Markdown and LaTeX differ only in the marks (L2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nnunetv2_mstkd.benchmark.best import best_of
from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.evaluation.metrics import METRICS

NOTHING = "\N{EN DASH}"  # an empty cell, as in papers
_DIGITS = 1  # of mm, and of percent
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Marks:
    """How a format writes what plain text cannot.

    Args:
        escape: makes a user's text harmless.
        bold: of the best value.
        better: of a difference that stands after Holm's correction, where the model is better than the baseline.
        worse: likewise, where it is worse.
        plus_minus: signs of numbers: takes "+1.0" or "-1.0".
        delta: stands before the name of the baseline.
    """

    escape: Callable[[str], str]
    bold: Callable[[str], str]
    better: str
    worse: str
    plus_minus: Callable[[str], str]
    delta: str


@dataclass(frozen=True)
class Line:
    """A row: its title and a text for every subset, and for the average."""

    title: str
    texts: tuple[str, ...]


def value_lines(summary: Mapping[str, Any], metric: str, region: str, marks: Marks) -> list[Line]:
    """Return the rows of each model: means; of distances also median and quartiles; differences to the baseline.

    Args:
        summary: of a benchmark.
        metric: one of its metrics.
        region: name.
        marks: of the format.
    """
    content = summary["metrics"][metric]
    best = _best(summary, metric, region)
    lines = []
    for model in (entry["title"] for entry in summary["models"]):
        means = _means(summary, content, model, region)
        shown = [
            marks.bold(_number(value, metric)) if model in winners else _number(value, metric)
            for value, winners in zip(means, best, strict=True)
        ]
        lines.append(Line(marks.escape(model), tuple(shown)))
        if METRICS[metric].unit:
            lines.append(Line("median [quartiles]", _medians(summary, content, metric, model, region)))
        if model != summary["baseline"]:
            title = f"{marks.delta} {marks.escape(summary['baseline'])}"
            lines.append(Line(title, _differences(summary, content, metric, model, region, marks)))
    return lines


def caption(summary: Mapping[str, Any], metric: str, region: str, marks: Marks) -> str:
    """Return what has to be said about a table, in the format of `marks`."""
    kind, alpha = METRICS[metric], summary["tests"]["alpha"]
    name = next(r["short"] for r in summary["regions"] if r["name"] == region)
    sentences = [
        f"{kind.title} in {kind.unit or 'percent'}, {name}, of {summary['num_cases']} patients of {summary['dataset']} "
        f"({summary['protocol']}): means over the patients; columns: which modalities are present; average: over them.",
        f"Empty masks are scored by the rule {summary['policy']!r}.",
    ]
    if len(summary["models"]) > 1:
        sentences.append(
            f"Bold: the best as shown. Differences to {summary['baseline']} are paired by patient; † marks what is "
            f"better and ‡ what is worse than it with p < {alpha} (Wilcoxon signed-rank, Holm over the subsets and "
            "regions of this metric), by the ranks of the differences, which can disagree with their mean. The average "
            "is no part of these tests and has its 95 % bootstrap interval."
        )
    if summary["small_sample"]:
        sentences.append(summary["small_sample"])
    return marks.escape(" ".join(sentences)).replace("†", marks.better).replace("‡", marks.worse)


def _means(summary: Row, content: Row, model: str, region: str) -> list[float | None]:
    """Return a model's mean of every subset, and their average."""
    cells = {row["subset"]: row["mean"] for row in content["cells"] if _is_of(row, model, region)}
    average = next((row["mean"] for row in content["averages"] if _is_of(row, model, region)), None)
    return [*(cells.get(subset) for subset in summary["subsets"]), average]


def _medians(summary: Row, content: Row, metric: str, model: str, region: str) -> tuple[str, ...]:
    cells = {row["subset"]: row for row in content["cells"] if _is_of(row, model, region) and row["n"]}
    texts = []
    for subset in summary["subsets"]:
        low, middle, high = (_number(cells.get(subset, {}).get(key), metric) for key in ("q1", "median", "q3"))
        texts.append(f"{middle} [{low}, {high}]" if subset in cells else NOTHING)
    return (*texts, "")


def _differences(summary: Row, content: Row, metric: str, model: str, region: str, marks: Marks) -> tuple[str, ...]:
    rows = {row["subset"]: row for row in content["comparisons"] if _is_of(row, model, region)}
    texts = [_difference(rows.get(subset), metric, summary["tests"]["alpha"], marks) for subset in summary["subsets"]]
    average = rows.get(ALL)
    text = _difference(average, metric, summary["tests"]["alpha"], marks)
    if average is not None and average["ci_low"] is not None:
        low, high = (marks.plus_minus(_number(average[end], metric, "+")) for end in ("ci_low", "ci_high"))
        text += f" [{low}, {high}]"
    return (*texts, text)


def _difference(row: Row | None, metric: str, alpha: float, marks: Marks) -> str:
    if row is None:
        return NOTHING
    mark = ""
    if row["holm_p"] is not None and row["holm_p"] < alpha:
        mark = marks.better if row["rank_biserial"] > 0 else marks.worse
    return marks.plus_minus(_number(row["mean_difference"], metric, "+")) + mark


def _best(summary: Row, metric: str, region: str) -> list[set[str]]:
    """Return the models with the best mean of each column."""
    titles = [entry["title"] for entry in summary["models"]]
    columns = zip(*(_means(summary, summary["metrics"][metric], title, region) for title in titles), strict=True)
    higher, digits = bool(METRICS[metric].higher_is_better), _DIGITS if METRICS[metric].unit else _DIGITS + 2
    return [best_of(dict(zip(titles, of, strict=True)), higher_is_better=higher, digits=digits) for of in columns]


def _is_of(row: Row, model: str, region: str) -> bool:
    return bool(row["model"] == model and row["region"] == region)


def _factor(metric: str) -> int:
    return 1 if METRICS[metric].unit else 100  # shares are shown in percent


def _number(value: float | None, metric: str, sign: str = "-") -> str:
    return NOTHING if value is None else f"{value * _factor(metric):{sign}.{_DIGITS}f}"
