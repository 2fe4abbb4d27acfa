"""Every patient's mean Dice, and how it differs from the baseline's (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.results import nanmean


@dataclass(frozen=True)
class Heading:
    """A column: a model, and over how many of the subsets it is, "" if over all."""

    model: str
    over: str


@dataclass(frozen=True)
class PatientRow:
    """A patient's mean Dice by model, and the paired differences to the baseline; NaN where there is none."""

    case: str
    values: tuple[float, ...]
    differences: tuple[float, ...]


@dataclass(frozen=True)
class PatientTable:
    """Columns for the values of all models and for the differences of all but the baseline, and the rows."""

    models: tuple[Heading, ...]
    others: tuple[Heading, ...]
    rows: tuple[PatientRow, ...]


def make_patient_table(
    models: Sequence[str], baseline: str, cases: Sequence[str], values: NDArray[np.float64]
) -> PatientTable:
    """Return the table.

    A difference is over the subsets and regions that both models have of the patient. A mean is left out where the
    patient lacks one of the model's subsets: it would be no match for those of the other patients.

    Args:
        models: titles.
        baseline: one of them.
        cases: names.
        values: of a metric, float (models, subsets, regions, cases).
    """
    base = models.index(baseline)
    others = [m for m in range(len(models)) if m != base]
    differences = values[others] - values[base]
    there = ~np.all(np.isnan(values), axis=2)  # (models, subsets, cases)
    of_any = np.any(there, axis=2, keepdims=True)
    is_whole = np.all(there == of_any, axis=1) & np.any(there, axis=1)
    means = np.where(is_whole, nanmean(values, axis=(1, 2)), np.nan)
    paired = nanmean(differences, axis=(1, 2))
    return PatientTable(
        _headings(models, values),
        _headings([models[m] for m in others], differences),
        tuple(
            PatientRow(case, tuple(means[:, c].tolist()), tuple(paired[:, c].tolist())) for c, case in enumerate(cases)
        ),
    )


def _headings(models: Sequence[str], values: NDArray[np.float64]) -> tuple[Heading, ...]:
    counts = (~np.isnan(values)).any(axis=(2, 3)).sum(axis=1).tolist()
    total = values.shape[1]
    return tuple(
        Heading(model, "" if count == total else f"over {count} of {total} subsets")
        for model, count in zip(models, counts, strict=True)
    )
