"""Every model against the baseline, patient by patient (L2)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.json_file import json_number
from nnunetv2_mstkd.benchmark.results import Results, nanmean
from nnunetv2_mstkd.evaluation.bootstrap import bootstrap_means
from nnunetv2_mstkd.evaluation.holm import holm
from nnunetv2_mstkd.evaluation.wilcoxon import signed_rank


@dataclass(frozen=True)
class Pairs:
    """What is compared in one row.

    Args:
        subset: name, or ALL.
        region: name, or ALL.
        values: float (3, cases): of the model, of the baseline, and their differences; NaN where a patient has no pair.
    """

    subset: str
    region: str
    values: NDArray[np.float64]

    @property
    def differences(self) -> NDArray[np.float64]:
        """Model less baseline, float (cases)."""
        return self.values[2]


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
    base = values[results.titles.index(baseline)]
    rows: list[dict[str, Any]] = []
    for title, own in zip(results.titles, values, strict=True):
        if title != baseline:
            rows += _of_model(title, _paired(results, own, base), higher_is_better=higher_is_better)
    return rows


def is_single(row: Mapping[str, Any]) -> bool:
    """Return whether a row is of a single subset and region, and so of the family of Holm's correction."""
    return ALL not in (row["subset"], row["region"])


def _paired(results: Results, own: NDArray[np.float64], base: NDArray[np.float64]) -> list[Pairs]:
    """Return what has at least one pair; `own` and `base` are (subsets, regions, cases)."""
    differences = own - base
    values = np.where(np.isnan(differences), np.nan, np.stack([own, base, differences]))
    return [pairs for pairs in _every(results, values) if not np.isnan(pairs.differences).all()]


def _every(results: Results, values: NDArray[np.float64]) -> Iterator[Pairs]:
    """Yield single subsets and regions first, then the means of each patient over what has a pair."""
    regions = [region.name for region in results.regions]
    for s, subset in enumerate(results.subsets):
        for r, region in enumerate(regions):
            yield Pairs(subset, region, values[:, s, r])
    for s, subset in enumerate(results.subsets):
        yield Pairs(subset, ALL, nanmean(values[:, s], axis=1))
    for r, region in enumerate(regions):
        yield Pairs(ALL, region, nanmean(values[:, :, r], axis=1))
    yield Pairs(ALL, ALL, nanmean(values, axis=(1, 2)))


def _of_model(title: str, compared: list[Pairs], *, higher_is_better: bool) -> list[dict[str, Any]]:
    if not compared:
        return []
    intervals = bootstrap_means(np.stack([pairs.differences for pairs in compared]))
    rows = [
        {
            "model": title,
            "subset": pairs.subset,
            "region": pairs.region,
            **_test(pairs, interval, higher_is_better=higher_is_better),
        }
        for pairs, interval in zip(compared, intervals, strict=True)
    ]
    family = [row for row in rows if is_single(row)]
    for row, adjusted in zip(family, holm([row["wilcoxon_p"] for row in family]), strict=True):
        row["holm_p"] = float(adjusted)
    return rows


def _test(pairs: Pairs, interval: NDArray[np.float64], *, higher_is_better: bool) -> dict[str, Any]:
    """Return the statistics of one row, which has at least one pair."""
    own, base, there = pairs.values[:, ~np.isnan(pairs.differences)]
    better = there if higher_is_better else -there
    tested = signed_rank(better)
    return {
        "n": tested.n,
        "mean": float(own.mean()),
        "baseline_mean": float(base.mean()),
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
