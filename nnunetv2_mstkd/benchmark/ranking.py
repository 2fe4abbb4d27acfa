"""Mean ranks of the models, with intervals over patients (L2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.json_file import json_number
from nnunetv2_mstkd.benchmark.results import Results, nanmean
from nnunetv2_mstkd.evaluation.bootstrap import bootstrap_means
from nnunetv2_mstkd.evaluation.ranks import case_ranks


def ranks(results: Results, values: NDArray[np.float64], *, higher_is_better: bool) -> list[dict[str, Any]]:
    """Return the mean rank of each model by region and over the regions; nothing for less than three models.

    The models are ranked in each case, subset and region; a patient's rank is the mean of these. Models that were not
    scored on every subset are left out. Of two models the comparison says more.

    Args:
        results: of the benchmark.
        values: float (models, subsets, regions, cases), means over the repeats.
        higher_is_better: which end is rank 1.
    """
    has_subset = (~np.isnan(values)).any(axis=(2, 3))  # (models, subsets)
    complete = np.flatnonzero(has_subset.sum(axis=1) == len(results.subsets))
    if len(complete) < 3:
        return []
    single = case_ranks(values[complete], higher_is_better=higher_is_better)
    by_patient = {region.name: nanmean(single[:, :, r], axis=1) for r, region in enumerate(results.regions)}
    by_patient[ALL] = nanmean(single, axis=(1, 2))
    return [
        {
            "model": results.titles[model],
            "region": region,
            "n": int((~np.isnan(row)).sum()),
            "mean_rank": json_number(nanmean(row, axis=0).item()),
            "ci_low": json_number(interval[0]),
            "ci_high": json_number(interval[1]),
        }
        for region, of_region in by_patient.items()
        for model, row, interval in zip(complete, of_region, bootstrap_means(of_region), strict=True)
    ]
