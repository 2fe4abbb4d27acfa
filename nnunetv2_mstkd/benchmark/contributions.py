"""What each modality contributes to each model, as Shapley values (L2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.json_file import json_number
from nnunetv2_mstkd.benchmark.results import Results, nanmean
from nnunetv2_mstkd.evaluation.bootstrap import bootstrap_means
from nnunetv2_mstkd.evaluation.metrics import METRICS
from nnunetv2_mstkd.evaluation.shapley import shapley_values


def contributions(results: Results, values: NDArray[np.float64], metric: str) -> list[dict[str, Any]]:
    """Return the Shapley value of each modality by model and region and over the regions, with intervals.

    The worth of a subset is the mean of the metric over the patients that have a value with every subset; that of no
    image is 0, an empty segmentation of something that is there. Distances have no such natural zero: the penalty of a
    policy would decide who contributes, and so there are none. The value is None where a subset was not scored.

    Args:
        results: of the benchmark.
        values: float (models, subsets, regions, cases), means over the repeats.
        metric: its name.
    """
    if METRICS[metric].kind != "overlap":
        return []
    worth = _worth(results, values)
    rows = []
    for m, title in enumerate(results.titles):
        for r, region in enumerate([*(region.name for region in results.regions), ALL]):
            of_cases = shapley_values(worth[m, r])  # (cases, modalities)
            means, intervals = nanmean(of_cases, axis=0), bootstrap_means(of_cases.T)
            for modality, mean, interval in zip(results.modalities, means, intervals, strict=True):
                low, high = (json_number(bound) for bound in interval)
                row = {"model": title, "region": region, "modality": modality, "value": json_number(mean)}
                rows.append({**row, "ci_low": low, "ci_high": high})
    return rows


def _worth(results: Results, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the worth of every subset by its code: float (models, regions and their mean, cases, 2^M)."""
    by_region = np.concatenate([values, values.mean(axis=2, keepdims=True)], axis=2)
    models, _, regions, cases = by_region.shape
    worth = np.full((models, regions, cases, 2 ** len(results.modalities)), np.nan)
    worth[..., 0] = 0
    for code in range(1, worth.shape[-1]):
        subset = str(results.modalities.subset_from_code(code))
        if subset in results.subsets:
            worth[..., code] = by_region[:, results.subsets.index(subset)]
    return worth
