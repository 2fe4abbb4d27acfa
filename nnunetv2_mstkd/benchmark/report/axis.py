"""Axes of the report's own drawings (L2: standard library only)."""

import math
from dataclasses import dataclass

LEAST_SPAN = 0.01  # of an axis


def tick_step(span: float, count: int) -> float:
    """Return the step of 1, 2 or 5 times a power of ten that divides `span` into about `count` parts."""
    raw = max(span, 1e-9) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)


@dataclass(frozen=True)
class Axis:
    """A linear axis from pixel `start` (at `low`) to pixel `end` (at `high`); `low` < `high`.

    Args:
        low: smallest value.
        high: largest value.
        start: pixel of `low`; on a vertical axis the larger one.
        end: pixel of `high`.
        step: between ticks.
    """

    low: float
    high: float
    start: float
    end: float
    step: float

    @classmethod
    def around(
        cls, low: float, high: float, start: float, end: float, count: int = 4, least: float = LEAST_SPAN
    ) -> "Axis":
        """Make one of about `count` steps that ends on ticks outside of `low` and `high`.

        Values that differ by less than `least` get steps as if they differed by it: what lies closer together than the
        report has digits is no reason for labels of nine decimals.
        """
        step = tick_step(max(high - low, least), count)
        first, last = math.floor(low / step + 1e-6) * step, math.ceil(high / step - 1e-6) * step
        return cls(first, last if last > first else first + step, start, end, step)

    def at(self, value: float) -> float:
        """Return the pixel of a value; values outside lie on the border."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return the values that are labelled."""
        first, last = math.ceil(self.low / self.step - 1e-6), math.floor(self.high / self.step + 1e-6)
        return [i * self.step for i in range(first, last + 1)]

    @property
    def digits(self) -> int:
        """How many decimals the labels of the ticks need."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))
