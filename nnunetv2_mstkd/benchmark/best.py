"""Which values are the best, as a reader sees them (L2: standard library only)."""

import math
from collections.abc import Mapping


def best_of(values: Mapping[str, float | None], *, higher_is_better: bool, digits: int) -> set[str]:
    """Return the keys whose value is best; what the shown digits do not tell apart is equal.

    Args:
        values: None and NaN are no values. With fewer than two values none is best.
        higher_is_better: which end is the best.
        digits: decimals that are shown; of a share in percent, two more than of the percentage.

    Example:
        >>> sorted(best_of({"a": 0.8214, "b": 0.8211, "c": 0.8}, higher_is_better=True, digits=3))
        ['a', 'b']
    """
    shown = {key: round(value, digits) for key, value in values.items() if value is not None and math.isfinite(value)}
    if len(shown) < 2:
        return set()
    best = (max if higher_is_better else min)(shown.values())
    return {key for key, value in shown.items() if value == best}
