"""Numbers as the report shows them (L2: standard library only)."""

import math
import re
from collections.abc import Collection, Iterable

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

_Number = float | int | None


def is_number(value: _Number) -> bool:
    """Return whether there is a value: a summary has None where a value is undefined."""
    return value is not None and math.isfinite(value)


def numbers(values: Iterable[float | None]) -> list[float]:
    """Return the values that are there."""
    return [value for value in values if value is not None and is_number(value)]


def decimals(unit: str, *, fine: bool = False) -> int:
    """Return how many decimals a metric is shown with.

    Args:
        unit: "" for shares of 0..1; else mm or ml.
        fine: in tables; heat maps have no room for more than two.
    """
    if unit:
        return 1
    return 3 if fine else 2


def shown(value: _Number, digits: int, *, signed: bool = False) -> str:
    """Return a number with so many decimals, a dash for nothing; `signed` adds a plus.

    Example:
        >>> shown(0.8349, 2), shown(0.0312, 3, signed=True), shown(None, 2)
        ('0.83', '+0.031', '–')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:  # "-0.00" says a direction that the digits do not show
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def shown_p(value: _Number) -> str:
    """Return a p-value: "0.031", "< 0.001"."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def shown_count(value: int, noun: str, plural: str | None = None) -> str:
    """Return "1 patient", "2 patients"."""
    return f"{value} {noun if value == 1 else plural or noun + 's'}"


def typeset(text: str) -> str:
    """Return a sentence of the summary with minus signs before its negative numbers, where it has hyphens.

    Example:
        >>> typeset("MST-KD: -0.012 to +0.034")
        'MST-KD: −0.012 to +0.034'
    """
    return re.sub(r"(?<!\S)-(?=\d+\.\d)", MINUS, text)


def shortened(title: str, longest: int) -> str:
    """Return a title of at most so many characters, the end of a longer one cut off."""
    return title if len(title) <= longest else f"{title[: longest - 1]}…"


def count_range(counts: Collection[int]) -> str:
    """Return "45" or "3 to 45"; "0" of nothing."""
    low, high = min(counts, default=0), max(counts, default=0)
    return str(high) if low == high else f"{low} to {high}"
