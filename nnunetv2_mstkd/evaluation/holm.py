"""Holm's correction of p for a family of tests (L1')."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return p adjusted so that the chance of any false finding in the family stays below the level.

    The smallest of n is multiplied by n, the next by n - 1, and so on; none falls below the one before it.

    Args:
        p: of each test; NaN is no test and does not count.

    Returns:
        float, of the same shape; NaN stays NaN.

    Source: Holm 1979. Differs in: nothing.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=float)
    tests = np.flatnonzero(~np.isnan(values))
    order = tests[np.argsort(values.ravel()[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full(values.size, np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values.ravel()[order] * factors))
    return adjusted.reshape(values.shape)
