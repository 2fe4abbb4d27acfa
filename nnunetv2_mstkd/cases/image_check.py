"""Whether the images of a case can be used, and go together (L1')."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.file_check import FileCheck, Read, check_file
from nnunetv2_mstkd.cases.geometry import differences, shown
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


@dataclass(frozen=True)
class CaseCheck:
    """What was found.

    Args:
        case: without the channels that count as absent.
        problems: what stops the case.
        warnings: what does not, but should be known.
        empty: channel that counts as absent -> its warning.
        checksums: channel -> checksum of its voxels, for those that could be read and are not empty.
    """

    case: Case
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    empty: Mapping[int, str] = field(default_factory=dict)
    checksums: Mapping[int, str] = field(default_factory=dict)


def check_case(case: Case, modalities: Modalities, read: Read, *, needs_depth: bool = False) -> CaseCheck:
    """Read each file of a case once, and check what is in it; one file is in memory at a time.

    Args:
        case: to check.
        modalities: of the model.
        read: returns a file's volumes (C, z, y, x) with their geometry, C = 1 but for a 4D file; raises whatever it
            likes for a file that it cannot read.
        needs_depth: whether the model works on volumes, so that images of a single slice are a problem.

    Returns:
        The case without the channels that are zero, constant or NaN everywhere, each with a warning. It is as given
        where nothing would be left, which is a problem.
    """
    findings = [check_file(file, sources, modalities, read) for file, sources in case.by_file().items()]
    faults = [fault for finding in findings for fault in finding.faults]
    faults += [*_faults_among(findings, needs_depth), *_copies(findings)]
    empty = {channel: how for finding in findings for channel, how in finding.empty.items()}
    left = tuple(channel in case.sources and channel not in empty for channel in range(len(modalities)))
    if any(left):
        case = case.restricted(ModalitySubset(modalities, left))
    else:
        faults.append(f"no channel is left: {'; '.join(empty.values())}")
    absent = {channel: f"{how}: it counts as absent" for channel, how in empty.items()}
    problems = tuple(Problem(case.name, fault) for fault in faults)
    checksums = {channel: checksum for finding in findings for channel, checksum in finding.checksums.items()}
    return CaseCheck(case, problems, tuple(absent.values()), absent, checksums)


def _faults_among(findings: Sequence[FileCheck], needs_depth: bool) -> Iterator[str]:
    """Yield what is wrong with the grids of files that can be used otherwise."""
    grids = [(finding.label, finding.geometry) for finding in findings if finding.geometry is not None]
    for label, geometry in grids[1:]:
        different = differences(grids[0][1], geometry)
        if different:
            yield f"{grids[0][0]} and {label} differ: {'; '.join(different)}. Register and resample them to one grid"
    if needs_depth and grids and all(1 in geometry.shape for _, geometry in grids):
        yield f"its images are single slices, {shown(grids[0][1].shape)} voxels (z, y, x); this model needs volumes"


def _copies(findings: Sequence[FileCheck]) -> Iterator[str]:
    """Yield which channels hold the same voxels: two acquisitions never do."""
    first: dict[str, str] = {}
    for finding in findings:
        for channel, label in finding.usable.items():
            checksum = finding.checksums[channel]
            if other := first.get(checksum):
                yield f"{other} and {label} hold the same voxels: one is a copy; name the right file, or leave it out"
            first.setdefault(checksum, label)
