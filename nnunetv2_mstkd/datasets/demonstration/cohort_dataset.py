"""The nnU-Net raw dataset that is written of a simulated cohort."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import SimpleITK

from nnunetv2_mstkd.datasets.demonstration.cohort import Case, Cohort, cases_of, splits_of
from nnunetv2_mstkd.datasets.demonstration.contrasts import MODALITIES
from nnunetv2_mstkd.datasets.demonstration.grid import BRATS_ORIGIN_MM
from nnunetv2_mstkd.datasets.demonstration.patient import LABELS, draw_scans, simulate
from nnunetv2_mstkd.errors import CohortError
from nnunetv2_mstkd.splits_file import SPLITS_FILE
from nnunetv2_mstkd.whole_file import whole_file

REGIONS = {
    "background": 0,
    "whole_tumor": [LABELS["necrosis"], LABELS["oedema"], LABELS["enhancing"]],
    "tumor_core": [LABELS["necrosis"], LABELS["enhancing"]],
    "enhancing_tumor": [LABELS["enhancing"]],
}
REGIONS_CLASS_ORDER = [2, 1, 3]  # paints the labels of BraTS 2023 directly
SETTINGS_FILE = "cohort.json"


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
