"""How the values of a metric become the colours of a heat map (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.benchmark.report.axis import Axis
from nnunetv2_mstkd.benchmark.report.number_text import numbers, shown
from nnunetv2_mstkd.benchmark.report.palette import diverging_class, sequential_class
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import Metric


@dataclass(frozen=True)
class ColourScale:
    """How values of a metric become colours.

    Args:
        metric: says which way is better.
        is_difference: whether the values are differences to the baseline.
        low: end of the scale; -high for differences.
        high: the other end.
    """

    metric: Metric
    is_difference: bool
    low: float
    high: float

    def colour(self, value: float) -> str:
        """Return the CSS class of a value."""
        if self.is_difference:
            return diverging_class(value / self.high * (1 if self.metric.higher_is_better else -1))
        share = (value - self.low) / (self.high - self.low)
        return sequential_class(share if self.metric.higher_is_better else 1 - share)

    def bar(self, steps: int = 24) -> tuple[str, ...]:
        """Return the CSS classes of the colour bar, worst first."""
        values = [self.low + (self.high - self.low) * i / (steps - 1) for i in range(steps)]
        return tuple(self.colour(v) for v in (values if self.metric.higher_is_better else reversed(values)))

    def ends(self) -> tuple[str, str]:
        """Return the text at the worst and the best end of the bar."""
        unit = f" {self.metric.unit}" if self.metric.unit else ""
        digits = 0 if self.metric.unit else 2
        low, high = (shown(v, digits, signed=self.is_difference) + unit for v in (self.low, self.high))
        return (low, high) if self.metric.higher_is_better else (high, low)


def value_scale(index: SummaryIndex, metric: Metric) -> ColourScale:
    """Return the scale of all means of a metric."""
    means = numbers(
        index.mean(metric.name, m, s, r) for m in index.models for s in index.subsets for r in index.regions
    )
    low, high = min(means, default=0.0), max(means, default=1.0)
    axis = Axis.around(low, high, 0, 1, count=6, least=_least(metric))
    return ColourScale(metric, False, axis.low, axis.high)


def difference_scale(index: SummaryIndex, metric: Metric) -> ColourScale:
    """Return the scale of all differences to the baseline; no difference is its middle."""
    found = numbers(
        index.difference(metric.name, m, s, r) for m in index.others for s in index.subsets for r in index.regions
    )
    high = Axis.around(0, max(map(abs, [_least(metric), *found])), 0, 1).high
    return ColourScale(metric, True, -high, high)


def _least(metric: Metric) -> float:
    """Return the smallest span of a colour scale, whose ends shall differ as they are shown."""
    return 5.0 if metric.unit else 0.05
