"""Which patients a simulated cohort has, and the nnU-Net raw dataset that is written of them."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import SimpleITK

from nnunetv2_mstkd.datasets.conversion.splits import SPLITS_FILE
from nnunetv2_mstkd.datasets.demonstration.contrasts import MODALITIES
from nnunetv2_mstkd.datasets.demonstration.grid import BRATS_ORIGIN_MM
from nnunetv2_mstkd.datasets.demonstration.patient import LABELS, draw_scans, simulate
from nnunetv2_mstkd.errors import CohortError
from nnunetv2_mstkd.whole_file import whole_file

REGIONS = {
    "background": 0,
    "whole_tumor": [LABELS["necrosis"], LABELS["oedema"], LABELS["enhancing"]],
    "tumor_core": [LABELS["necrosis"], LABELS["enhancing"]],
    "enhancing_tumor": [LABELS["enhancing"]],
}
REGIONS_CLASS_ORDER = [2, 1, 3]  # paints the labels of BraTS 2023 directly
MAX_FOLDS = 5
SHARE_WITH_FOLLOW_UP = 0.2  # of the training patients
SETTINGS_FILE = "cohort.json"
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


def splits_of(cases: Sequence[Case]) -> list[dict[str, list[str]]]:
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


def write_cohort(
    folder: Path, cohort: Cohort, workers: int = 1, progress: Callable[[int, int], None] = lambda done, total: None
) -> bool:
    """Write a cohort as an nnU-Net raw dataset; go on where a killed run stopped.

    dataset.json is written last: a folder without it is not finished, and nnU-Net does not take it.

    Args:
        folder: .../DatasetXXX_Name.
        cohort: what to write.
        workers: processes, each with about 1.5 GB at 1 mm; the result does not depend on them.
        progress: called with the number of finished cases and of all.

    Returns:
        Whether anything was written; False where the folder already holds this cohort.

    Raises:
        CohortError: if there is no process, the folder's name is not nnU-Net's, or it holds something else.
    """
    if workers < 1:
        raise CohortError(f"There must be at least 1 process; given: {workers}")
    _check_folder(folder, cohort)
    if (folder / "dataset.json").exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / SETTINGS_FILE, dataclasses.asdict(cohort))
    for leftover in folder.glob("*/.partial_*"):  # of a killed run
        leftover.unlink()
    cases = cases_of(cohort)
    missing = [case for case in cases if not _label_file(folder, case).exists()]
    progress(len(cases) - len(missing), len(cases))
    for done, _ in enumerate(_map(partial(write_case, folder, cohort), missing, workers), 1):
        progress(len(cases) - len(missing) + done, len(cases))
    training = [case for case in cases if case.split == "Tr"]
    _write_json(folder / SPLITS_FILE, splits_of(training))
    _write_json(folder / "dataset.json", _dataset_json(cohort))
    return True


def write_case(folder: Path, cohort: Cohort, case: Case) -> None:
    """Simulate and write one case: its channels, what was drawn for it, and last its labels."""
    scan = draw_scans(cohort.seed, case.patient, case.time + 1)[-1]
    images, labels = simulate(scan, cohort.spacing_mm)
    for channel, image in enumerate(images):
        _write_image(image, folder / f"images{case.split}" / f"{case.name}_{channel:04d}.nii.gz", cohort)
    _write_json(folder / "drawn" / f"{case.name}.json", dataclasses.asdict(scan))
    _write_image(labels, _label_file(folder, case), cohort)


def _map(function: Callable[[Case], None], cases: Sequence[Case], workers: int) -> Iterator[None]:
    """Yield as the cases are done, in order."""
    if min(workers, len(cases)) < 2:
        yield from map(function, cases)
        return
    # spawned, not forked: the caller may have threads
    with ProcessPoolExecutor(min(workers, len(cases)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(function, cases)


def _check_folder(folder: Path, cohort: Cohort) -> None:
    if not re.fullmatch(r"Dataset\d{3}_\w+", folder.name):
        raise CohortError(
            f"nnU-Net finds a raw dataset by a name such as Dataset901_Simulated (three digits); given: {folder.name!r}"
        )
    settings = folder / SETTINGS_FILE
    if settings.exists():
        held = json.loads(settings.read_text())
        if held != dataclasses.asdict(cohort):
            raise CohortError(f"{folder} holds a cohort with other settings: {held}. Choose another folder")
    elif folder.exists() and any(folder.iterdir()):
        raise CohortError(f"{folder} is not empty and holds no simulated cohort. Choose another folder")


def _label_file(folder: Path, case: Case) -> Path:
    return folder / f"labels{case.split}" / f"{case.name}.nii.gz"


def _write_image(array: np.ndarray, file: Path, cohort: Cohort) -> None:
    image = SimpleITK.GetImageFromArray(array)
    spacing = cohort.spacing_mm
    image.SetSpacing((spacing, spacing, spacing))
    # the corner of the first voxel, not its centre, stays where it is when the spacing changes
    image.SetOrigin([origin + (spacing - 1) / 2 for origin in BRATS_ORIGIN_MM])
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as temporary:
        SimpleITK.WriteImage(image, str(temporary), useCompression=True)


def _write_json(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _dataset_json(cohort: Cohort) -> dict:
    return {
        "channel_names": {str(i): name for i, name in enumerate(MODALITIES)},
        "labels": REGIONS,
        "regions_class_order": REGIONS_CLASS_ORDER,
        "numTraining": cohort.cases,
        "file_ending": ".nii.gz",
        "name": "Simulated gliomas",
        "description": "Simulated MRI of invented patients; no data of a patient. Not for any medical use.",
        "reference": "nnunetv2_mstkd; anatomy derived from the ICBM 152 Nonlinear atlas 2009a, (C) 1993-2009 Louis "
        "Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University",
    }
