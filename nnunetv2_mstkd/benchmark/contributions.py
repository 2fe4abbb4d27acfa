"""What each modality contributes to each model, as Shapley values (L2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.json_file import json_number
from nnunetv2_mstkd.benchmark.results import Results, nanmean
from nnunetv2_mstkd.evaluation.bootstrap import bootstrap_means
from nnunetv2_mstkd.evaluation.metrics import METRICS, metric_value
from nnunetv2_mstkd.evaluation.shapley import shapley_values


def contributions(results: Results, values: NDArray[np.float64], metric: str, policy: str) -> list[dict[str, Any]]:
    """Return the Shapley value of each modality by model and region and over the regions, with intervals.

    A patient's worth of a subset is the metric with it; that of no image is the metric of an empty segmentation under
    the policy: 0, or 1 where there is nothing to find. What the modalities of a patient contribute adds up to the
    difference of both ends; shown are the means over the patients that have a value with every subset. Distances have
    no such natural zero: the penalty of a policy would decide who contributes, and so there are none. The value is None
    where a subset was not scored.

    Args:
        results: of the benchmark.
        values: float (models, subsets, regions, cases), means over the repeats.
        metric: its name.
        policy: for empty masks.
    """
    if METRICS[metric].kind != "overlap":
        return []
    worth = _worth(results, values, _of_nothing(results, metric, policy))
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


def _of_nothing(results: Results, metric: str, policy: str) -> NDArray[np.float64]:
    """Return the metric of an empty segmentation: float (regions, cases). The models share the references."""
    regions, cases = results.facts.shape[-2:]
    by_place = np.moveaxis(results.facts, (-2, -1), (0, 1)).reshape(regions, cases, -1)
    values = np.full((regions, cases), np.nan)
    for place in np.ndindex(regions, cases):
        facts = next((fact for fact in by_place[place] if fact is not None), None)
        if facts is not None:
            values[place] = metric_value(facts.without_prediction(), metric, policy)
    return values


def _worth(results: Results, values: NDArray[np.float64], of_nothing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the worth of every subset by its code: float (models, regions and their mean, cases, 2^M)."""
    by_region = np.concatenate([values, values.mean(axis=2, keepdims=True)], axis=2)
    models, _, regions, cases = by_region.shape
    worth = np.full((models, regions, cases, 2 ** len(results.modalities)), np.nan)
    worth[..., 0] = np.concatenate([of_nothing, of_nothing.mean(axis=0, keepdims=True)])
    for code in range(1, worth.shape[-1]):
        subset = str(results.modalities.subset_from_code(code))
        if subset in results.subsets:
            worth[..., code] = by_region[:, results.subsets.index(subset)]
    return worth
