"""Folds that keep all scans of a patient together (L1')."""

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.splits_file import Splits

SEED = 12345  # nnU-Net's own


def grouped_folds(patients: Mapping[str, str], incomplete: Collection[str], folds: int, seed: int = SEED) -> Splits:
    """Return folds that have about as many cases each, and about as many incomplete ones.

    Args:
        patients: case -> patient.
        incomplete: the cases that lack a modality.
        folds: at most; there are fewer where there are fewer patients.
        seed: of the order in which equal patients are dealt.

    Raises:
        ConversionError: if there is one patient only.

    Example:
        >>> grouped_folds({"a_1": "a", "a_2": "a", "b_1": "b"}, (), folds=2)
        [{'train': ['b_1'], 'val': ['a_1', 'a_2']}, {'train': ['a_1', 'a_2'], 'val': ['b_1']}]
    """
    scans = Counter(patients.values())
    if len(scans) < 2:
        raise ConversionError(
            f"There are {counted(len(patients), 'case')} of one patient only, {next(iter(scans), '')!r}, and nobody to "
            "validate with. Add patients; where you describe the layout, --patient tells them apart"
        )
    lacking = Counter(patients[case] for case in incomplete)
    parts = _deal(scans, lacking, min(folds, len(scans)), seed)
    return splits_from_parts({case: parts[patient] for case, patient in patients.items()})


def splits_from_parts(parts: Mapping[str, int]) -> Splits:
    """Return a fold per part, in their order: the part is for validation, all others for training.

    Args:
        parts: case -> part.
    """
    cases = sorted(parts)
    return [
        {"train": [c for c in cases if parts[c] != part], "val": [c for c in cases if parts[c] == part]}
        for part in sorted(set(parts.values()))
    ]


def _deal(scans: Mapping[str, int], lacking: Mapping[str, int], folds: int, seed: int) -> dict[str, int]:
    """Return patient -> fold: patients with incomplete scans first, those with many scans first."""
    shuffled = np.random.default_rng(seed).permutation(sorted(scans)).tolist()
    order = sorted(shuffled, key=lambda patient: (-lacking.get(patient, 0), -scans[patient]))
    cases, incomplete = [0] * folds, [0] * folds
    fold_of = {}
    for patient in order:
        # the incomplete ones even out first; what is complete then evens out the number of cases
        keys = [(incomplete[f], cases[f]) if lacking.get(patient) else (cases[f], incomplete[f]) for f in range(folds)]
        fold = keys.index(min(keys))
        fold_of[patient] = fold
        cases[fold] += scans[patient]
        incomplete[fold] += lacking.get(patient, 0)
    return fold_of
