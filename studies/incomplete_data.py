"""A cohort whose cases lack modalities, made of a complete one: the same patients, files left out."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, write_availability
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.whole_file import whole_file

# How often an incomplete case of a clinic lacks a modality: contrast agent and FLAIR are left out more often.
MISSING = {"T1": 0.2, "T1ce": 0.6, "T2": 0.2, "FLAIR": 0.5}


def draw_availability(cases: Sequence[str], modalities: Modalities, share: float, seed: int) -> Availability:
    """Return a table in which a share of the cases, drawn with a seed, lacks one modality at least."""
    rng = np.random.default_rng((seed, 0x1C))
    lacking = set(rng.choice(cases, round(share * len(cases)), replace=False).tolist())
    return Availability(modalities, {case: _draw(rng, modalities, case in lacking) for case in cases})


def _draw(rng: np.random.Generator, modalities: Modalities, is_lacking: bool) -> ModalitySubset:
    present = (True,) * len(modalities)
    while is_lacking and (all(present) or not any(present)):
        present = tuple(bool(rng.random() >= MISSING[name]) for name in modalities)
    return ModalitySubset(modalities, present)


def write_incomplete(complete: Path, folder: Path, share: float, seed: int) -> Availability:
    """Write a raw dataset that lists the files of a complete one, without those that its cases lack.

    Args:
        complete: raw dataset.
        folder: to write; the test cases are linked.
        share: of incomplete training cases.
        seed: of which these are and what they lack.
    """
    dataset_json = json.loads((complete / "dataset.json").read_text())
    ending = dataset_json["file_ending"]
    cases = sorted(file.name.removesuffix(ending) for file in (complete / "labelsTr").glob(f"*{ending}"))
    availability = draw_availability(cases, Modalities.from_dataset_json(dataset_json), share, seed)
    for split in ("imagesTs", "labelsTs"):
        _link_all((complete / split).iterdir(), folder / split)
    (folder / "absent").mkdir(parents=True, exist_ok=True)
    listed = {}
    for case in cases:
        label = complete / "labelsTr" / f"{case}{ending}"
        zeros = folder / "absent" / f"{case}{ending}"
        if case in availability.incomplete:
            _write_zeros(label, zeros)
        has = availability.of(case).present
        files = [complete / "imagesTr" / f"{case}_{i:04d}{ending}" if h else zeros for i, h in enumerate(has)]
        # from the dataset on: the study's folder can be moved
        images = [os.path.relpath(file, folder) for file in files]
        listed[case] = {"images": images, "label": os.path.relpath(label, folder)}
    write_availability(folder / AVAILABILITY_FILE, availability)
    with whole_file(folder / "dataset.json") as temporary:  # the last: what is begun without it is made again
        temporary.write_text(json.dumps({**dataset_json, "dataset": listed}, indent=1))
    return availability


def _link_all(files: Iterable[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        link = folder / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(file, folder))


def _write_zeros(like: Path, file: Path) -> None:
    label = SimpleITK.ReadImage(str(like))
    SimpleITK.WriteImage(SimpleITK.Cast(label, SimpleITK.sitkUInt8) * 0, str(file))
