"""Whether the images of a case can be used, and go together (L1')."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry, differences, shown
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.cases.raw_file import RawFile, inspect_raw
from nnunetv2_mstkd.cases.voxels import find_emptiness, find_fault
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

# Edges of a voxel, in mm. Outside of this a header has another unit, or nothing, rather than an image of a patient.
MIN_SPACING = 0.01  # not included
MAX_SPACING = 50.0

Volumes = NDArray[np.float32]  # (C, z, y, x)
Read = Callable[[Path], tuple[Volumes, Geometry]]


@dataclass(frozen=True)
class CaseCheck:
    """What was found.

    Args:
        case: without the channels that count as absent.
        problems: what stops the case.
        warnings: what does not, but should be known.
        empty: channel that counts as absent -> its warning.
    """

    case: Case
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    empty: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Finding:
    """What is in one file.

    Args:
        label: its modalities and name.
        geometry: its grid, if it has a channel that can be used.
        faults: what is wrong with it by itself.
        empty: channel -> how it is empty.
        checksums: label of a channel that can be used -> checksum of its voxels.
    """

    label: str
    geometry: Geometry | None
    faults: tuple[str, ...] = ()
    empty: Mapping[int, str] = field(default_factory=dict)
    checksums: Mapping[str, bytes] = field(default_factory=dict)


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
    findings = [_inspect(file, sources, modalities, read) for file, sources in case.by_file().items()]
    faults = [fault for finding in findings for fault in finding.faults]
    faults += [*_faults_among(findings, needs_depth), *_copies(findings)]
    empty = {channel: how for finding in findings for channel, how in finding.empty.items()}
    left = tuple(channel in case.sources and channel not in empty for channel in range(len(modalities)))
    if any(left):
        case = case.restricted(ModalitySubset(modalities, left))
    else:
        faults.append(f"no channel is left: {'; '.join(empty.values())}")
    absent = {channel: f"{how}: it counts as absent" for channel, how in empty.items()}
    return CaseCheck(case, tuple(Problem(case.name, fault) for fault in faults), tuple(absent.values()), absent)


def _inspect(file: Path, sources: Mapping[int, ChannelSource], modalities: Modalities, read: Read) -> _Finding:
    """Read a file and check it by itself."""
    label = _label(file, [modalities.names[channel] for channel in sources])
    content = _content(file, read)
    if isinstance(content, str):
        return _Finding(label, None, (f"{label} cannot be read: {content}",))
    raw, volumes, geometry = content
    fault = _dimension_fault(volumes, geometry, next(iter(sources.values())))
    if fault is not None:
        return _Finding(label, None, (f"{label} {fault}",))
    faults, empty, checksums = [], {}, {}
    for channel, source in sources.items():
        volume, name = source.volume or 0, _label(file, [modalities.names[channel]])
        if fault := raw.non_finite_of(volume):
            faults.append(f"{name} {fault}")
        elif how := find_emptiness(volumes[volume]):
            empty[channel] = f"{name} is {how}"
        elif fault := find_fault(volumes[volume]):
            faults.append(f"{name} {fault}")
        else:
            checksums[name] = hashlib.sha256(np.ascontiguousarray(volumes[volume]).data).digest()
    if len(empty) == len(sources):
        return _Finding(label, None, (), empty)  # its grid does not matter
    if fault := _spacing_fault(geometry):
        faults.append(f"{label} {fault}")
    return _Finding(label, geometry, tuple(faults), empty, checksums)


def _label(file: Path, names: Sequence[str]) -> str:
    told = "+".join(names)
    return told if file.name == told else f"{told} ({file.name})"  # an image in memory goes by its modality


def _content(file: Path, read: Read) -> tuple[RawFile, Volumes, Geometry] | str:
    """Return what is in a file, or why it cannot be read."""
    try:
        raw = inspect_raw(file)
        return raw.damage or (raw, *read(file))
    except Exception as error:  # of whichever reader
        return f"{type(error).__name__}: {error}"


def _dimension_fault(volumes: Volumes, geometry: Geometry, source: ChannelSource) -> str | None:
    """Return what is wrong with the shape (C, z, y, x), given one of the channels that are to be in the file."""
    if volumes.ndim != 4 or 0 in volumes.shape:
        return f"has the shape {volumes.shape}, but (channels, z, y, x) is needed"
    count = len(volumes)
    if source.volume is None:
        told = "one channel is expected: name the volumes of a 4D file by a channel order; turn colours to grey"
        expected = 1
    else:
        expected = source.num_volumes or max(count, source.volume + 1)
        told = f"the channel order is for {expected}"
    if count != expected:
        return f"holds {count} volumes, but {told}"
    if len(geometry.spacing) != len(geometry.shape):  # SimpleITK's arrays have colours on an axis of their own
        return f"has {len(geometry.spacing)} axes of space for the array {volumes.shape}: turn colours to grey"
    return None


def _spacing_fault(geometry: Geometry) -> str | None:
    for edge, length in zip(geometry.spacing, geometry.shape, strict=True):
        # nnU-Net makes up the edge of a single slice
        is_sound = MIN_SPACING < edge <= MAX_SPACING if length > 1 else 0 < edge < math.inf
        if not is_sound:
            limits = f"{MIN_SPACING:g} to {MAX_SPACING:g} mm"
            return f"has a spacing of {shown(geometry.spacing)} mm (z, y, x), outside of {limits}: mend its header"
    return None


def _faults_among(findings: Sequence[_Finding], needs_depth: bool) -> Iterator[str]:
    """Yield what is wrong with the grids of files that can be used otherwise."""
    grids = [(finding.label, finding.geometry) for finding in findings if finding.geometry is not None]
    for label, geometry in grids[1:]:
        different = differences(grids[0][1], geometry)
        if different:
            yield f"{grids[0][0]} and {label} differ: {'; '.join(different)}. Register and resample them to one grid"
    if needs_depth and grids and all(1 in geometry.shape for _, geometry in grids):
        yield f"its images are single slices, {shown(grids[0][1].shape)} voxels (z, y, x); this model needs volumes"


def _copies(findings: Sequence[_Finding]) -> Iterator[str]:
    """Yield which channels hold the same voxels: two acquisitions never do."""
    first: dict[bytes, str] = {}
    for label, checksum in (pair for finding in findings for pair in finding.checksums.items()):
        if other := first.get(checksum):
            yield f"{other} and {label} hold the same voxels: one is a copy; name the right file, or leave it out"
        first.setdefault(checksum, label)
