"""Every model against the baseline, patient by patient (L2)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.json_file import json_number
from nnunetv2_mstkd.benchmark.results import Results, nanmean
from nnunetv2_mstkd.evaluation.bootstrap import bootstrap_means
from nnunetv2_mstkd.evaluation.holm import holm
from nnunetv2_mstkd.evaluation.wilcoxon import signed_rank


def comparisons(
    results: Results, values: NDArray[np.float64], baseline: str, *, higher_is_better: bool
) -> list[dict[str, Any]]:
    """Return a row for each model but the baseline, and each subset and region that both were scored on.

    The rows of one model's single subsets and regions are the family of Holm's correction. The rows of their means
    ("all") are not part of it and have no corrected p.

    Args:
        results: of the benchmark.
        values: float (models, subsets, regions, cases), means over the repeats.
        baseline: title of the model that is subtracted.
        higher_is_better: what counts as a win, and which sign of the rank-biserial correlation is positive.
    """
    base = results.titles.index(baseline)
    rows: list[dict[str, Any]] = []
    for m, title in enumerate(results.titles):
        if m != base:
            pairs = _paired(results, values[m] - values[base])
            rows += _of_model(title, pairs, higher_is_better=higher_is_better)
    return rows


def _paired(results: Results, differences: NDArray[np.float64]) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Return subset, region and differences by patient of all that has a pair; NaN where a patient has none."""
    return [each for each in _every(results, differences) if not np.isnan(each[2]).all()]


def _every(results: Results, differences: NDArray[np.float64]) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    """Yield single subsets and regions first, then the means of each patient over what has a pair."""
    regions = [region.name for region in results.regions]
    for s, subset in enumerate(results.subsets):
        for r, region in enumerate(regions):
            yield subset, region, differences[s, r]
    for s, subset in enumerate(results.subsets):
        yield subset, ALL, nanmean(differences[s], axis=0)
    for r, region in enumerate(regions):
        yield ALL, region, nanmean(differences[:, r], axis=0)
    yield ALL, ALL, nanmean(differences, axis=(0, 1))


def _of_model(
    title: str, pairs: list[tuple[str, str, NDArray[np.float64]]], *, higher_is_better: bool
) -> list[dict[str, Any]]:
    if not pairs:
        return []
    intervals = bootstrap_means(np.stack([differences for _, _, differences in pairs]))
    rows = [
        {
            "model": title,
            "subset": subset,
            "region": region,
            **_test(differences, interval, higher_is_better=higher_is_better),
        }
        for (subset, region, differences), interval in zip(pairs, intervals, strict=True)
    ]
    family = [row for row in rows if ALL not in (row["subset"], row["region"])]
    for row, adjusted in zip(family, holm([row["wilcoxon_p"] for row in family]), strict=True):
        row["holm_p"] = float(adjusted)
    return rows


def _test(differences: NDArray[np.float64], interval: NDArray[np.float64], *, higher_is_better: bool) -> dict[str, Any]:
    """Return the statistics of one row; `differences` has at least one number."""
    there = differences[~np.isnan(differences)]
    better = there if higher_is_better else -there
    tested = signed_rank(better)
    return {
        "n": tested.n,
        "mean_difference": float(there.mean()),
        "median_difference": float(np.median(there)),
        "ci_low": json_number(interval[0]),
        "ci_high": json_number(interval[1]),
        "wilcoxon_p": tested.p,
        "holm_p": None,
        "exact": tested.exact,
        "zeros": tested.zeros,
        "rank_biserial": tested.rank_biserial,
        "wins": int((better > 0).sum()),
        "ties": int((better == 0).sum()),
        "losses": int((better < 0).sum()),
    }
