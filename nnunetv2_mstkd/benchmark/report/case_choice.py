"""Which patients and which subset the viewer opens with: not the prettiest, but the worst and the median (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ChosenCase:
    """A patient to look at, with the reason: "worst", "median" or "best"."""

    case: str
    reason: str


def choose_cases(cases: Sequence[str], values: NDArray[np.float64]) -> list[ChosenCase]:
    """Return the worst, the median and the best case, each once; fewer if there are fewer.

    Args:
        cases: names.
        values: one for each case, higher is better; a case whose value is NaN is not chosen. Of two middle cases the
            lower is the median, and equal values are taken in the order of the cases.
    """
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    if not order:
        return []
    chosen = {order[0]: "worst", order[(len(order) - 1) // 2]: "median", order[-1]: "best"}
    if len(order) == 2:  # the worse of two is no median
        chosen = {order[0]: "worst", order[1]: "best"}
    if len(order) == 1:
        chosen = {order[0]: "only"}
    return [ChosenCase(cases[i], reason) for i, reason in chosen.items()]


def typical_subset(subsets: Sequence[str], values: NDArray[np.float64]) -> str:
    """Return the subset with the median value, the lower of two; the last one if there is no value.

    Args:
        subsets: names.
        values: one for each subset: what is gained over the baseline, or where there is none the score.
    """
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    return subsets[order[(len(order) - 1) // 2]] if order else subsets[-1]
