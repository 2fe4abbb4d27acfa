"""The first figure of the report: every model with every subset, as coloured values or differences (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.report.axis import Axis
from nnunetv2_mstkd.benchmark.report.colour_scale import ColourScale, difference_scale, value_scale
from nnunetv2_mstkd.benchmark.report.difference_text import difference_text
from nnunetv2_mstkd.benchmark.report.number_text import decimals, is_number, numbers, shown
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import Metric

INTERVAL_WIDTH = 168  # pixels of the drawn intervals
_MARGIN = 8


@dataclass(frozen=True)
class Cell:
    """A coloured value.

    Args:
        text: as shown.
        colour: CSS class.
        tooltip: what the value is, in words.
        mark: "better" or "worse" where the ranks of the differences stand after Holm's correction, else "".
    """

    text: str
    colour: str
    tooltip: str
    mark: str = ""


@dataclass(frozen=True)
class Interval:
    """A difference to the baseline with its interval, in pixels on the map's axis.

    Args:
        low: lower end; None if there is no interval.
        mean: the difference.
        high: upper end; None if there is no interval.
        is_partial: whether it is over some of the subsets alone.
        tooltip: in words.
    """

    low: float | None
    mean: float
    high: float | None
    is_partial: bool
    tooltip: str


@dataclass(frozen=True)
class Row:
    """A model in one region: its cells, by column None where it was not scored, and what they average to."""

    model: str
    is_baseline: bool
    cells: tuple[Cell | None, ...]
    average: Cell | None
    interval: Interval | None


@dataclass(frozen=True)
class Group:
    """A region; its short and full names, and a row for each model."""

    short: str
    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class HeatMap:
    """A heat map, ready to be drawn.

    Args:
        metric: what is shown.
        is_difference: whether differences to the baseline are shown, else values.
        groups: the mean over regions, then each region; with a single region that one alone.
        bar: CSS classes of the colour bar, worst first.
        bar_ends: text at the worst and the best end of the bar.
        axis: of the intervals, in pixels; None where nothing is compared.
    """

    metric: Metric
    is_difference: bool
    groups: tuple[Group, ...]
    bar: tuple[str, ...]
    bar_ends: tuple[str, str]
    axis: Axis | None

    @property
    def quantity(self) -> str:
        """What the colours are, in words."""
        unit = f" in {self.metric.unit}" if self.metric.unit else ""
        if not self.is_difference:
            return f"mean {self.metric.title}{unit}"
        return f"{'median' if unit else 'mean'} paired difference in {self.metric.title}{unit}"

    @property
    def has_partial(self) -> bool:
        """Whether an interval is over some of the subsets alone."""
        rows = (row for group in self.groups for row in group.rows)
        return any(row.interval is not None and row.interval.is_partial for row in rows)


def make_heat_map(index: SummaryIndex, metric: Metric, *, is_difference: bool) -> HeatMap:
    """Return the heat map of a metric.

    Args:
        index: the summary.
        metric: one that is in the summary.
        is_difference: colour differences to the baseline instead of values.
    """
    scale = difference_scale(index, metric) if is_difference else value_scale(index, metric)
    axis = _interval_axis(index, metric) if index.others else None
    models = index.others if is_difference else index.models  # the baseline differs from itself by nothing
    regions = index.regions if len(index.regions) == 1 else [ALL, *index.regions]
    groups = tuple(
        Group(
            short="Mean" if region == ALL else index.shorts[region],
            name=f"mean of {len(index.regions)} regions" if region == ALL else region,
            rows=tuple(_row(index, scale, model, region, axis) for model in models),
        )
        for region in regions
    )
    return HeatMap(metric, is_difference, groups, scale.bar(), scale.ends(), axis)


def _interval_axis(index: SummaryIndex, metric: Metric) -> Axis | None:
    rows = [index.comparison(metric.name, m, ALL, r) for m in index.others for r in (ALL, *index.regions)]
    ends = numbers(row[key] for row in rows if row is not None for key in ("ci_low", "ci_high", "mean_difference"))
    if not ends:
        return None
    return Axis.around(min(0.0, *ends), max(0.0, *ends), _MARGIN, INTERVAL_WIDTH - _MARGIN, count=3)


def _row(index: SummaryIndex, scale: ColourScale, model: str, region: str, axis: Axis | None) -> Row:
    is_baseline = index.is_grey(model)
    cells = tuple(_cell(index, scale, model, subset, region) for subset in index.subsets)
    average = _average(index, scale, model, region)
    interval = None if is_baseline or axis is None else _interval(index, scale.metric, model, region, axis)
    return Row(model, is_baseline, cells, average, interval)


def _cell(index: SummaryIndex, scale: ColourScale, model: str, subset: str, region: str) -> Cell | None:
    name, is_baseline = scale.metric.name, index.is_grey(model)
    mean, difference = (find(name, model, subset, region) for find in (index.mean, index.difference))
    value = difference if scale.is_difference else mean
    if value is None or not is_number(value):
        return None
    text = shown(value, decimals(scale.metric.unit), signed=scale.is_difference)
    mark = "" if is_baseline else index.verdict(name, model, subset, region)
    return Cell(text, scale.colour(value), _tooltip(index, scale.metric, model, subset, region), mark)


def _average(index: SummaryIndex, scale: ColourScale, model: str, region: str) -> Cell | None:
    name = scale.metric.name
    value = index.average(name, model, region)
    if scale.is_difference:  # a mean over other subsets than the rest of its column says nothing there
        is_partial = _is_partial(index, name, model, region)
        value = None if is_partial else index.difference(name, model, ALL, region)
    if value is None or not is_number(value):
        return None
    text = shown(value, decimals(scale.metric.unit), signed=scale.is_difference)
    return Cell(text, scale.colour(value), f"{model}: over {len(index.subsets)} subsets")


def _interval(index: SummaryIndex, metric: Metric, model: str, region: str, axis: Axis) -> Interval | None:
    row = index.comparison(metric.name, model, ALL, region)
    if row is None or not is_number(row["mean_difference"]):
        return None
    low, high = (axis.at(row[end]) if is_number(row[end]) else None for end in ("ci_low", "ci_high"))
    compared = index.subsets_compared(metric.name, model, region)
    tooltip = f"{model}, over {compared} of {len(index.subsets)} subsets: {difference_text(row, metric)}"
    is_partial = _is_partial(index, metric.name, model, region)
    return Interval(low, axis.at(row["mean_difference"]), high, is_partial, tooltip)


def _is_partial(index: SummaryIndex, metric: str, model: str, region: str) -> bool:
    return index.subsets_compared(metric, model, region) < len(index.subsets)


def _tooltip(index: SummaryIndex, metric: Metric, model: str, subset: str, region: str) -> str:
    digits = decimals(metric.unit, fine=True)
    where = f"{model}, {subset}, {index.shorts.get(region, 'mean of regions')}"
    text = f"{where}: {metric.title} {shown(index.mean(metric.name, model, subset, region), digits)}"
    cell = index.cell(metric.name, model, subset, region)
    if cell is not None:
        text += f" (sd {shown(cell['sd'], digits)}, n = {cell['n']})"
    row = None if model == index.baseline else index.comparison(metric.name, model, subset, region)
    return text if row is None else f"{text}; {difference_text(row, metric)}"
