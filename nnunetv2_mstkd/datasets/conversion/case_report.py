"""What is in the files of one case, each read once (L1')."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.file_check import Volumes
from nnunetv2_mstkd.cases.geometry import Geometry, differences
from nnunetv2_mstkd.cases.image_check import check_case
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.datasets.conversion.image_file import read_image
from nnunetv2_mstkd.datasets.conversion.label_file import LabelError
from nnunetv2_mstkd.datasets.conversion.label_report import LabelReport, report_label
from nnunetv2_mstkd.datasets.layouts.source import SourceCase
from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class FileFacts:
    """What the plan has to know about an image.

    Args:
        geometry: its grid.
        dimension: axes that the file has, 3 or more.
        sha256: of the file.
    """

    geometry: Geometry
    dimension: int
    sha256: str


@dataclass(frozen=True)
class CaseReport:
    """What was found.

    Args:
        case: without the channels that are empty, which count as absent.
        problems: what stops the case.
        warnings: what does not, but should be known.
        files: of the images that could be read.
        voxels: channel -> checksum of its voxels, for those that could be read and are not empty.
        label: what is in the label map; None if there is none, or it cannot be read.
        emptied: channel that is empty, and so counts as absent -> in what way, for the record.
    """

    case: SourceCase
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: Mapping[Path, FileFacts] = field(default_factory=dict)
    voxels: Mapping[int, str] = field(default_factory=dict)
    label: LabelReport | None = None
    emptied: Mapping[int, str] = field(default_factory=dict)

    @property
    def geometry(self) -> Geometry:
        """The grid of the case: that of its first channel. Only a case without problems is sure to have one."""
        return self.files[self.case.images[min(self.case.images)].file].geometry


def report_case(case: SourceCase, modalities: Modalities) -> CaseReport:
    """Read the files of a case and check what is in them, by themselves and against each other.

    Args:
        case: of the source.
        modalities: of the source.
    """
    if not case.images:
        return CaseReport(case, ("it has no image of a known modality",))
    facts: dict[Path, FileFacts] = {}

    def read(file: Path) -> tuple[Volumes, Geometry]:
        image = read_image(file)
        facts[file] = FileFacts(image.geometry, image.dimension, sha256_of(file))
        return image.volumes.astype(np.float32, copy=False), image.geometry

    checked = check_case(Case(case.name, case.images), modalities, read)
    report = CaseReport(
        replace(case, images=checked.case.sources),
        tuple(problem.message for problem in checked.problems),
        checked.warnings,
        facts,
        checked.checksums,
        emptied=checked.empty,
    )
    return report if case.label is None else _with_label(report, case.label)


def _with_label(report: CaseReport, file: Path) -> CaseReport:
    """Add what is in the label map, which must lie on the grid of the images."""
    grids = [
        report.files[source.file].geometry for source in report.case.images.values() if source.file in report.files
    ]
    try:
        label = report_label(file)
    except LabelError as fault:
        return replace(report, problems=(*report.problems, f"its label map {file.name} {fault}"))
    problems, warnings = [], []
    if different := differences(grids[0], label.geometry) if grids else []:
        problems.append(f"its images and its label map {file.name} differ: {'; '.join(different)}. Resample it to them")
    if label.values == (0,):
        warnings.append(f"its label map {file.name} is empty: nothing is outlined")
    return replace(report, problems=(*report.problems, *problems), warnings=(*report.warnings, *warnings), label=label)
