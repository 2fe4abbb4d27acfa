"""What an audit keeps of a case: a few numbers (L1')."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.file_check import Volumes
from nnunetv2_mstkd.cases.geometry import Geometry, differences
from nnunetv2_mstkd.cases.image_check import CaseCheck, check_case
from nnunetv2_mstkd.datasets.audit.contrast import Contrast, contrast_of
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase
from nnunetv2_mstkd.datasets.conversion.image_file import read_image
from nnunetv2_mstkd.datasets.conversion.label_file import LabelError
from nnunetv2_mstkd.datasets.conversion.label_report import report_label
from nnunetv2_mstkd.modalities import Modalities

_UNMEASURED = Contrast(untold="errors in the files")


@dataclass(frozen=True)
class CaseFacts:
    """What was found in the files of a case.

    Args:
        name: of the case.
        problems: what stops the case.
        present: channels that are not empty.
        empty: channels that have a file with nothing in it.
        digests: channel -> checksum of its voxels, without empty ones.
        values: of its label map; None if that cannot be used.
        label_digest: checksum of the voxels of its label map; "" if that is empty, or cannot be used.
        outside: share of the labelled voxels at which all channels are 0; 0 unless all files are sound.
        contrast: how channels and labels look; empty unless all files are sound.
    """

    name: str
    problems: tuple[str, ...]
    present: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    digests: Mapping[int, str] = field(default_factory=dict)
    values: tuple[int, ...] | None = None
    label_digest: str = ""
    outside: float = 0.0
    contrast: Contrast = _UNMEASURED


def gather_facts(case: RawCase, modalities: Modalities, ignored: int | None = None) -> CaseFacts:
    """Read the files of a case and measure it; one case is in memory.

    Args:
        case: of the dataset.
        modalities: of the dataset.
        ignored: value of the label `ignore`, which says nothing about a voxel.
    """
    images = {c: f for c, f in case.images.items() if c < len(modalities)}
    missing = missing_files(case, modalities)
    if missing or not images:
        return CaseFacts(case.name, missing)
    checked, volumes, geometry = _check_images(
        Case(case.name, {c: ChannelSource(f) for c, f in images.items()}), modalities
    )
    problems = [problem.message for problem in checked.problems]
    present = {channel: volumes[channel] for channel in checked.case.sources if channel in volumes}
    facts = CaseFacts(
        case.name,
        tuple(problems),
        present=tuple(present),
        empty=tuple(channel for channel in volumes if channel not in checked.case.sources),
        digests=checked.checksums,
    )
    try:
        label = report_label(case.label)
    except LabelError as fault:
        return replace(facts, problems=(*problems, f"its label map {case.label.name} {fault}"))
    facts = replace(facts, values=label.values, label_digest=label.voxels if any(label.values) else "")
    if geometry and (different := differences(geometry, label.geometry)):
        told = f"its images and its label map {case.label.name} differ: {'; '.join(different)}"
        return replace(facts, problems=(*problems, f"{told}. Resample it to them"))
    return facts if problems else _measured(facts, present, _label_voxels(case, ignored))


def missing_files(case: RawCase, modalities: Modalities) -> tuple[str, ...]:
    """Return what to do about each file of a case that is not there; no file is read."""
    images = [file for channel, file in case.images.items() if channel < len(modalities)]
    return tuple(_missing(file) for file in (*images, case.label) if not file.is_file())


def _missing(file: Path) -> str:
    if file.is_symlink():
        return f"{file} is a dangling link: restore {file.readlink()}, or link to where it is now"
    return f"{file} is not there: restore it"


def _measured(facts: CaseFacts, images: Mapping[int, NDArray[np.float32]], seg: NDArray[np.uint8]) -> CaseFacts:
    """Return the facts with what images and label map show, both (z, y, x)."""
    labelled = seg > 0
    dark = np.all([volume[labelled] == 0 for volume in images.values()], axis=0)
    return replace(facts, outside=float(dark.mean()) if labelled.any() else 0.0, contrast=contrast_of(images, seg))


def _check_images(
    case: Case, modalities: Modalities
) -> tuple[CaseCheck, dict[int, NDArray[np.float32]], Geometry | None]:
    """Check the images; return also the volume (z, y, x) of each readable channel, and the grid of the first."""
    volumes: dict[int, NDArray[np.float32]] = {}
    geometries: list[Geometry] = []
    channels_of = case.by_file()  # all channels that a case lacks may be one volume of zeros

    def read(file: Path) -> tuple[Volumes, Geometry]:
        image = read_image(file)
        voxels = image.volumes.astype(np.float32, copy=False)
        volumes.update(dict.fromkeys(channels_of[file], voxels[0]))
        geometries.append(image.geometry)
        return voxels, image.geometry

    checked = check_case(case, modalities, read)
    return checked, volumes, geometries[0] if geometries else None


def _label_voxels(case: RawCase, ignored: int | None) -> NDArray[np.uint8]:
    seg = read_image(case.label).volumes[0].astype(np.uint8)
    return seg if ignored is None else np.where(seg == ignored, np.uint8(0), seg)
