"""Which patients and scans a simulated cohort has, and its folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_mstkd.errors import CohortError
from nnunetv2_mstkd.splits_file import Splits

MAX_FOLDS = 5
SHARE_WITH_FOLLOW_UP = 0.2  # of the training patients
FINEST_MM, COARSEST_MM = 0.5, 6.0  # finer than 0.5 mm needs tens of GB; coarser than 6 mm no rim is left


@dataclass(frozen=True)
class Cohort:
    """What to write.

    Args:
        cases: training scans; a fifth of the patients have two or three.
        test_cases: test scans, each of a patient of its own.
        spacing_mm: edge of a voxel; 1 gives 240 x 240 x 155 voxels.
        seed: of everything.

    Raises:
        CohortError: if a number is out of range.
    """

    cases: int = 40
    test_cases: int = 10
    spacing_mm: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.cases < 2:
            raise CohortError(f"A cohort needs at least 2 training cases, one to validate with; given: {self.cases}")
        if self.test_cases < 0:
            raise CohortError(f"The number of test cases must not be negative; given: {self.test_cases}")
        if not FINEST_MM <= self.spacing_mm <= COARSEST_MM:
            raise CohortError(f"The spacing must be {FINEST_MM} to {COARSEST_MM} mm; given: {self.spacing_mm:g}")
        if self.seed < 0:
            raise CohortError(f"The seed must not be negative; given: {self.seed}")


@dataclass(frozen=True)
class Case:
    """One scan in the dataset.

    Args:
        split: "Tr" or "Ts", as in imagesTr.
        patient: number of the patient.
        time: 0 for the first scan.
    """

    split: str
    patient: int
    time: int

    @property
    def name(self) -> str:
        """The case identifier: patient and time point, in the form of BraTS."""
        return f"SIM-{self.patient:05d}-{self.time:03d}"


def cases_of(cohort: Cohort) -> list[Case]:
    """Return all cases: the training cases, patient by patient, then the test cases.

    There are at least two training patients, so that there is something to validate with.
    """
    rng = np.random.default_rng((cohort.seed, 0xC0))
    training: list[Case] = []
    patient = 0
    while len(training) < cohort.cases:
        room = cohort.cases - len(training) - (1 if patient == 0 else 0)
        scans = int(rng.integers(2, 4)) if rng.random() < SHARE_WITH_FOLLOW_UP else 1
        training += [Case("Tr", patient, time) for time in range(min(scans, room))]
        patient += 1
    return training + [Case("Ts", patient + i, 0) for i in range(cohort.test_cases)]


def splits_of(cases: Sequence[Case]) -> Splits:
    """Return nnU-Net's splits_final.json: all scans of a patient are on one side of each fold.

    Args:
        cases: training cases.

    Returns:
        Five folds, or as many as there are patients if these are fewer.
    """
    patients = sorted({case.patient for case in cases})
    folds = min(MAX_FOLDS, len(patients))
    splits = []
    for fold in range(folds):
        held_out = set(patients[fold::folds])
        splits.append(
            {
                "train": [case.name for case in cases if case.patient not in held_out],
                "val": [case.name for case in cases if case.patient in held_out],
            }
        )
    return splits
