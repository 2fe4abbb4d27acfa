"""What an audit keeps of a case: a few numbers (L1')."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry, differences
from nnunetv2_mstkd.cases.image_check import CaseCheck, Volumes, check_case
from nnunetv2_mstkd.datasets.audit.contrast import Contrast, contrast_of
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase
from nnunetv2_mstkd.datasets.conversion.image_file import read_image
from nnunetv2_mstkd.datasets.conversion.label_report import LabelError, report_label
from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class CaseFacts:
    """What was found in the files of a case.

    Args:
        name: of the case.
        problems: what stops the case.
        present: channels that are not empty.
        digests: channel -> checksum of its voxels, without empty ones.
        values: of its label map; None if that cannot be used.
        contrast: how channels and labels look; empty unless all files are sound.
    """

    name: str
    problems: tuple[str, ...]
    present: tuple[int, ...] = ()
    digests: Mapping[int, str] = field(default_factory=dict)
    values: tuple[int, ...] | None = None
    contrast: Contrast = field(default_factory=Contrast)


def gather_facts(case: RawCase, modalities: Modalities) -> CaseFacts:
    """Read the files of a case and measure it; one case is in memory.

    Args:
        case: of the dataset.
        modalities: of the dataset.
    """
    images = {c: f for c, f in case.images.items() if c < len(modalities)}
    missing = [file for file in (*images.values(), case.label) if not file.is_file()]
    if missing or not images:
        return CaseFacts(case.name, tuple(f"{file} is not there: restore it" for file in missing))
    checked, volumes, geometry = _check_images(
        Case(case.name, {c: ChannelSource(f) for c, f in images.items()}), modalities
    )
    problems = [problem.message for problem in checked.problems]
    present = {channel: volumes[channel] for channel in checked.case.sources if channel in volumes}
    digests = {channel: hashlib.sha256(v.tobytes()).hexdigest() for channel, v in present.items()}
    try:
        label = report_label(case.label)
    except LabelError as fault:
        return CaseFacts(case.name, (*problems, f"its label map {case.label.name} {fault}"), tuple(present), digests)
    if geometry and (different := differences(geometry, label.geometry)):
        told = f"its images and its label map {case.label.name} differ: {'; '.join(different)}"
        problems.append(f"{told}. Resample it to them")
    contrast = Contrast() if problems else contrast_of(present, _label_voxels(case))
    return CaseFacts(case.name, tuple(problems), tuple(present), digests, label.values, contrast)


def _check_images(
    case: Case, modalities: Modalities
) -> tuple[CaseCheck, dict[int, NDArray[np.float32]], Geometry | None]:
    """Check the images; return also the volume (z, y, x) of each readable channel, and the grid of the first."""
    volumes: dict[int, NDArray[np.float32]] = {}
    geometries: list[Geometry] = []
    channel_of = {source.file: channel for channel, source in case.sources.items()}

    def read(file: Path) -> tuple[Volumes, Geometry]:
        image = read_image(file)
        voxels = image.volumes.astype(np.float32, copy=False)
        volumes[channel_of[file]] = voxels[0]
        geometries.append(image.geometry)
        return voxels, image.geometry

    checked = check_case(case, modalities, read)
    return checked, volumes, geometries[0] if geometries else None


def _label_voxels(case: RawCase) -> NDArray[np.uint8]:
    return read_image(case.label).volumes[0].astype(np.uint8)
