"""Pseudo Dice of teacher and student with all modalities, beside nnU-Net's own over the subsets (L3)."""

from collections.abc import Sequence

import numpy as np
from torch import distributed

COUNTS = ("tp_hard", "fp_hard", "fn_hard")  # of nnU-Net's validation_step


def prefixed_counts(prefix: str, result: dict) -> dict[str, np.ndarray]:
    """Return the counts of a validation step under `prefix`, to travel beside the step's own."""
    return {f"{prefix}{count}": result[count] for count in COUNTS}


def mean_foreground_dice(prefix: str, results: Sequence[dict], world_size: int) -> float:
    """Return the mean over classes or regions of the Dice over an epoch's validation patches, of all ranks.

    NaN for a class that occurs neither in reference nor prediction, and if that holds for all.
    """
    counts = np.array([np.sum([result[prefix + count] for result in results], axis=0) for count in COUNTS])
    if world_size > 1:
        gathered: list[np.ndarray] = [counts] * world_size
        distributed.all_gather_object(gathered, counts)
        counts = np.sum(gathered, axis=0)
    true_positive, false_positive, false_negative = counts.astype(float)
    denominator = 2 * true_positive + false_positive + false_negative
    present = denominator > 0
    return float(np.mean(2 * true_positive[present] / denominator[present])) if present.any() else float("nan")
