"""Ranks of models, case by case, as challenges rank them (L1')."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def case_ranks(values: ArrayLike, *, higher_is_better: bool) -> NDArray[np.float64]:
    """Return the rank of each model in each place, 1 for the best; equal values share their mean rank.

    Args:
        values: float (models, ...), one value of each model for the same case, subset and region.
        higher_is_better: which end is rank 1.

    Returns:
        float, of the same shape; NaN for all models where one of them has no value.

    Source: the ranking of the BraTS challenges (Bakas et al. 2018). Differs in: BraTS
    ranks Dice and HD95 together, this over one metric at a time.

    Example:
        >>> case_ranks([[0.9], [0.5], [0.9]], higher_is_better=True)[:, 0].tolist()
        [1.5, 3.0, 1.5]
    """
    from scipy.stats import rankdata  # here: it takes a second to import, and needs torch whole or absent

    scores = np.asarray(values, dtype=float)
    ranks = rankdata(-scores if higher_is_better else scores, axis=0)
    return np.where(np.isnan(scores).any(axis=0, keepdims=True), np.nan, ranks)
