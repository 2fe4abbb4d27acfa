"""Descriptive statistics: every model, subset and region, and their averages (L2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.emptiness import Emptiness
from nnunetv2_mstkd.benchmark.json_file import json_number
from nnunetv2_mstkd.benchmark.results import Results, nanmean
from nnunetv2_mstkd.modalities import RESERVED_NAME

ALL = RESERVED_NAME  # the mean over the subsets, or over the regions; none of them can be called so


def cells(results: Results, values: NDArray[np.float64], emptiness: Emptiness) -> list[dict[str, Any]]:
    """Return a row for each model, subset and region that has a scored patient.

    Args:
        results: of the benchmark.
        values: float (models, subsets, regions, cases), means over the repeats.
        emptiness: which masks were empty.
    """
    penalised = np.count_nonzero(np.any(emptiness.one_empty, axis=1), axis=-1)  # (models, subsets, regions)
    scored = np.count_nonzero(emptiness.scored, axis=(1, 4))
    return [
        {
            "model": title,
            "subset": subset,
            "region": region.name,
            **describe(values[m, s, r]),
            "penalised": int(penalised[m, s, r]),
        }
        for m, title in enumerate(results.titles)
        for s, subset in enumerate(results.subsets)
        for r, region in enumerate(results.regions)
        if scored[m, s, r]
    ]


def describe(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return n, mean, sd (n - 1), median, quartiles (linear), minimum and maximum of the patients that have a value."""
    there = values[~np.isnan(values)]
    names = ("mean", "sd", "median", "q1", "q3", "min", "max")
    if not len(there):
        return {"n": 0, **dict.fromkeys(names)}
    sd = there.std(ddof=1) if len(there) > 1 else np.nan
    numbers = (there.mean(), sd, *np.percentile(there, [50, 25, 75]), there.min(), there.max())
    return {"n": len(there), **{name: json_number(number) for name, number in zip(names, numbers, strict=True)}}


def averages(results: Results, by_repeat: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return the mean over all subsets of each model, by region and over the regions.

    It is None for a model that lacks one of the subsets: a mean over other subsets is no match for the others'. The
    spread over the repeats is of the patients that all repeats of the model have, or it would be that of the patients.

    Args:
        results: of the benchmark.
        by_repeat: float (models, repeats, subsets, regions, cases).
    """
    pooled = nanmean(nanmean(by_repeat, axis=1), axis=-1)  # (models, subsets, regions), means of the patients
    rows = []
    for m, title in enumerate(results.titles):
        of_repeats = _means_of_repeats(by_repeat[m])
        for region, chosen in _regions(results):
            spread = of_repeats[..., chosen].mean(axis=(1, 2))
            rows.append(
                {
                    "model": title,
                    "region": region,
                    "mean": json_number(pooled[m][:, chosen].mean()),
                    "sd_over_repeats": json_number(spread.std(ddof=1)) if len(spread) > 1 else None,
                    "repeats": len(spread),
                }
            )
    return rows


def _means_of_repeats(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each repeat of a model over the patients that all its repeats have.

    Args:
        values: float (repeats, subsets, regions, cases).

    Returns:
        float (repeats that the model has, subsets, regions).
    """
    there = ~np.isnan(values)
    has = there.any(axis=(1, 2, 3))
    return nanmean(np.where(there[has].all(axis=0), values[has], np.nan), axis=-1)


def _regions(results: Results) -> list[tuple[str, slice]]:
    """Return the places of each region, and of all of them."""
    single = [(region.name, slice(r, r + 1)) for r, region in enumerate(results.regions)]
    return [*single, (ALL, slice(None))]
