"""Bootstrap intervals of means over patients (L1')."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

RESAMPLES = 9999
SEED = 0
CONFIDENCE = 0.95


def bootstrap_means(
    values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = SEED, confidence: float = CONFIDENCE
) -> NDArray[np.float64]:
    """Return bias-corrected and accelerated (BCa) bootstrap intervals of many means.

    Patients are drawn, not values: all rows over the same patients share their draws, which is also what makes
    hundreds of them quick.

    Args:
        values: float (rows, patients); NaN: this patient has no value in this row.
        resamples: how many samples of patients are drawn.
        seed: of the draw.
        confidence: of the interval, two-sided.

    Returns:
        float (rows, 2), lower and upper bound. Where all values of a row are equal both are that value; where there is
        less than two values both are NaN: one patient says nothing about others.

    Source: Efron 1987; Efron and Tibshirani 1993, chapter 14.3. Differs in: where the acceleration is out of the
    formula's range (a handful of patients), the percentile interval takes its place.

    Example:
        >>> bootstrap_means([[2.0, 2.0, 2.0]]).tolist()
        [[2.0, 2.0]]
    """
    rows = np.atleast_2d(np.asarray(values, dtype=float))
    bounds = np.full((len(rows), 2), np.nan)
    patterns, which = np.unique(~np.isnan(rows), axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        chosen = np.flatnonzero(which.ravel() == i)
        if pattern.sum() >= 2:
            counts = _drawn_counts(int(pattern.sum()), resamples, seed)
            bounds[chosen] = _complete(rows[np.ix_(chosen, np.flatnonzero(pattern))], counts, confidence)
    return bounds


def _complete(rows: NDArray, counts: NDArray, confidence: float) -> NDArray[np.float64]:
    """Return intervals (rows, 2) of rows without NaN."""
    n = rows.shape[1]
    # about their mean: the sums of draws then stay small, and equal draws equal
    means = rows.mean(axis=1, keepdims=True)
    centred = rows - means
    scale = np.abs(centred).max(axis=1)
    constant = scale <= 1e-12 * np.maximum(1, np.abs(means[:, 0]))
    scale[constant] = 1
    drawn = np.sort((centred / scale[:, None]) @ counts.T / n, axis=1)
    levels = _levels(drawn, centred / scale[:, None], confidence)
    bounds = means + scale[:, None] * _quantiles(drawn, levels)
    return np.where(constant[:, None], means, bounds)


def _levels(drawn: NDArray, centred: NDArray, confidence: float) -> NDArray[np.float64]:
    """Return which quantiles (rows, 2) of the sorted drawn means (rows, resamples) are the bounds.

    Args:
        drawn: likewise, of values about their mean: the estimate is 0.
        centred: those values (rows, patients).
        confidence: of the interval.
    """
    rounding = 1e-12  # of the sums: a draw of the sample itself counts as equal
    below = (drawn < -rounding).mean(axis=1)
    equal = (np.abs(drawn) <= rounding).mean(axis=1)
    tails = ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    with np.errstate(all="ignore"):
        bias = ndtri(below + equal / 2)[:, None]
        # the jackknife of a mean moves it by centred / (n - 1): the factors cancel
        acceleration = ((centred**3).sum(axis=1) / (6 * (centred**2).sum(axis=1) ** 1.5))[:, None]
        shifted = bias + tails[None, :]
        corrected = ndtr(bias + shifted / (1 - acceleration * shifted))
        usable = (acceleration * shifted < 1) & np.isfinite(corrected)
    return np.where(usable.all(axis=1, keepdims=True), corrected, ndtr(tails)[None, :])


def _quantiles(ordered: NDArray, levels: NDArray) -> NDArray[np.float64]:
    """Return quantiles of each row of sorted values, interpolated linearly; levels (rows, 2)."""
    position = levels * (ordered.shape[1] - 1)
    lower = np.floor(position).astype(int)
    upper = np.minimum(lower + 1, ordered.shape[1] - 1)
    row = np.arange(len(ordered))[:, None]
    weight = position - lower
    return (1 - weight) * ordered[row, lower] + weight * ordered[row, upper]


@lru_cache(maxsize=2)
def _drawn_counts(n: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Return how often each of n patients is in each resample: (resamples, n), to be read only."""
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    places = drawn + n * np.arange(resamples)[:, None]
    return np.bincount(places.ravel(), minlength=resamples * n).reshape(resamples, n).astype(float)
