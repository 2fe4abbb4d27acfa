"""The papers' table: a metric in a region, by model and subset, with the differences to the baseline (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.benchmark.best import best_of
from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.report.difference_text import difference_text
from nnunetv2_mstkd.benchmark.report.number_text import decimals, is_number, shown
from nnunetv2_mstkd.benchmark.report.summary_index import Row, SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import Metric


@dataclass(frozen=True)
class Entry:
    """One cell of the table.

    Args:
        main: the mean, or the difference: of shares the mean, of distances the median.
        details: beneath it. Of a mean the standard deviation, of distances median and quartiles, and in how many
            patients the policy decided; of a difference the interval of its mean.
        is_best: whether it is the best of its column.
        mark: "\N{DAGGER}" better or "\N{DOUBLE DAGGER}" worse, where a difference stands after Holm's correction;
            "" elsewhere.
        tone: "better" or "worse" with a mark; "" elsewhere.
        tooltip: in words; "" where nothing is to be added.
    """

    main: str
    details: tuple[str, ...] = ()
    is_best: bool = False
    mark: str = ""
    tone: str = ""
    tooltip: str = ""


@dataclass(frozen=True)
class Line:
    """A row: the entries of the subsets, None where a model was not scored, and that of their mean."""

    model: str
    is_difference: bool
    entries: tuple[Entry | None, ...]
    average: Entry | None


@dataclass(frozen=True)
class ScoreTable:
    """The rows of a metric in a region: of each model the values, then its differences to the baseline."""

    region: str
    name: str
    lines: tuple[Line, ...]


def make_score_table(index: SummaryIndex, metric: Metric, region: str) -> ScoreTable:
    """Return the table of a metric in a region."""
    lines = []
    for model in index.models:
        lines.append(_value_line(index, metric, model, region))
        if model != index.baseline:
            lines.append(_difference_line(index, metric, model, region))
    return ScoreTable(index.shorts[region], region, tuple(lines))


def _value_line(index: SummaryIndex, metric: Metric, model: str, region: str) -> Line:
    digits = decimals(metric.unit, fine=True)
    averages = {one: index.average(metric.name, one, region) for one in index.models}
    best = best_of(averages, higher_is_better=bool(metric.higher_is_better), digits=digits)
    average = None
    if is_number(averages[model]):
        row = index.average_row(metric.name, model, region) or {}
        spread = row.get("sd_over_repeats")
        details = (f"±\N{THIN SPACE}{shown(spread, digits)}",) if is_number(spread) else ()
        tooltip = "spread: standard deviation over the repeats" if details else ""
        average = Entry(shown(averages[model], digits), details, is_best=model in best, tooltip=tooltip)
    return Line(model, False, tuple(_value(index, metric, model, s, region) for s in index.subsets), average)


def _value(index: SummaryIndex, metric: Metric, model: str, subset: str, region: str) -> Entry | None:
    cell = index.cell(metric.name, model, subset, region)
    if cell is None or not is_number(cell["mean"]):
        return None
    digits = decimals(metric.unit, fine=True)
    best = index.best(metric.name, subset, region, higher_is_better=bool(metric.higher_is_better), digits=digits)
    low, middle, high = (shown(cell[key], digits) for key in ("q1", "median", "q3"))
    return Entry(
        shown(cell["mean"], digits),
        _details(cell, metric, digits),
        is_best=model in best,
        tooltip=(
            f"{model}, {subset}: n = {cell['n']}, sd {shown(cell['sd'], digits)}, median {middle}, "
            f"quartiles {low} and {high}; one mask empty in {cell['penalised']}"
        ),
    )


def _details(cell: Row, metric: Metric, digits: int) -> tuple[str, ...]:
    """Return the standard deviation; of distances, which penalties decide, median and quartiles instead."""
    if metric.unit:
        low, middle, high = (shown(cell[key], digits) for key in ("q1", "median", "q3"))
        spread: tuple[str, ...] = (f"median {middle}", f"[{low}, {high}]")
    else:
        spread = (f"({shown(cell['sd'], digits)})",) if is_number(cell["sd"]) else ()
    return (*spread, f"{cell['penalised']} empty") if cell["penalised"] else spread


def _difference_line(index: SummaryIndex, metric: Metric, model: str, region: str) -> Line:
    entries = tuple(_difference(index, metric, model, subset, region) for subset in index.subsets)
    return Line(model, True, entries, _difference(index, metric, model, ALL, region))


def _difference(index: SummaryIndex, metric: Metric, model: str, subset: str, region: str) -> Entry | None:
    row = index.comparison(metric.name, model, subset, region)
    if row is None:
        return None
    digits = decimals(metric.unit, fine=True)
    tone = index.verdict(metric.name, model, subset, region)
    return Entry(
        shown(index.difference(metric.name, model, subset, region), digits, signed=True),
        (*_interval(row, metric), *_compared(index, metric, model, subset, region)),
        mark={"better": "\N{DAGGER}", "worse": "\N{DOUBLE DAGGER}"}.get(tone, ""),
        tone=tone,
        tooltip=f"{model}, {subset}: {difference_text(row, metric)}; n = {row['n']}",
    )


def _interval(row: Row, metric: Metric) -> tuple[str, ...]:
    """Return the interval of the mean difference, beneath a median with that mean."""
    # a decimal less than the difference has, for the table to fit a page; the tooltip has all
    ends = [shown(row[end], decimals(metric.unit)) for end in ("ci_low", "ci_high") if is_number(row[end])]
    interval = (f"[{', '.join(ends)}]",) if len(ends) == 2 else ()
    return (f"mean {shown(row['mean_difference'], 1, signed=True)}", *interval) if metric.unit else interval


def _compared(index: SummaryIndex, metric: Metric, model: str, subset: str, region: str) -> tuple[str, ...]:
    """Return over how many subsets a mean is, if not over all."""
    compared = index.subsets_compared(metric.name, model, region)
    return (f"{compared} of {len(index.subsets)}",) if subset == ALL and compared < len(index.subsets) else ()
