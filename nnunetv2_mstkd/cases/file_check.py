"""Whether what is in one file of a case can be used, by itself (L1')."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.case import ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry, shown
from nnunetv2_mstkd.cases.raw_file import RawFile, inspect_raw
from nnunetv2_mstkd.cases.voxels import find_emptiness, find_fault
from nnunetv2_mstkd.modalities import Modalities

# Edges of a voxel, in mm. Outside of this a header has another unit, or nothing, rather than an image of a patient.
MIN_SPACING = 0.01  # not included
MAX_SPACING = 50.0

Volumes = NDArray[np.float32]  # (C, z, y, x)
Read = Callable[[Path], tuple[Volumes, Geometry]]
_Content = tuple[RawFile, Volumes, Geometry]


@dataclass(frozen=True)
class FileCheck:
    """What is in one file.

    Args:
        label: its modalities and name.
        geometry: its grid, if it has a channel that can be used.
        faults: what is wrong with it by itself.
        empty: channel -> how it is empty.
        checksums: channel that is not empty -> checksum of its voxels.
        usable: channel without a fault of its own -> its label.
    """

    label: str
    geometry: Geometry | None = None
    faults: tuple[str, ...] = ()
    empty: Mapping[int, str] = field(default_factory=dict)
    checksums: Mapping[int, str] = field(default_factory=dict)
    usable: Mapping[int, str] = field(default_factory=dict)


def check_file(file: Path, sources: Mapping[int, ChannelSource], modalities: Modalities, read: Read) -> FileCheck:
    """Read a file and check it by itself.

    Args:
        file: to read, once.
        sources: the channels that are in it.
        modalities: of the model.
        read: returns the volumes (C, z, y, x) with their geometry, C = 1 but for a 4D file; raises whatever it likes
            for a file that it cannot read.
    """
    label = _label(file, [modalities.names[channel] for channel in sources])
    content = _content(file, read)
    if isinstance(content, str):
        return FileCheck(label, faults=(f"{label} cannot be read: {content}",))
    fault = _dimension_fault(content[1], content[2], next(iter(sources.values())))
    if fault is not None:
        return FileCheck(label, faults=(f"{label} {fault}",))
    names = {channel: _label(file, [modalities.names[channel]]) for channel in sources}
    return _check_channels(label, names, sources, content)


def _check_channels(
    label: str, names: Mapping[int, str], sources: Mapping[int, ChannelSource], content: _Content
) -> FileCheck:
    raw, volumes, geometry = content
    faults, empty, checksums, usable = [], {}, {}, {}
    for channel, source in sources.items():
        volume, name = volumes[source.volume or 0], names[channel]
        fault = raw.non_finite_of(source.volume or 0)
        if fault is None and (how := find_emptiness(volume)):
            empty[channel] = f"{name} is {how}"
            continue
        checksums[channel] = hashlib.sha256(np.ascontiguousarray(volume).data).hexdigest()
        if fault := fault or find_fault(volume):
            faults.append(f"{name} {fault}")
        else:
            usable[channel] = name
    if len(empty) == len(sources):
        return FileCheck(label, empty=empty)  # its grid does not matter
    if fault := _spacing_fault(geometry):
        faults.append(f"{label} {fault}")
    return FileCheck(label, geometry, tuple(faults), empty, checksums, usable)


def _label(file: Path, names: Sequence[str]) -> str:
    told = "+".join(names)
    return told if file.name == told else f"{told} ({file.name})"  # an image in memory goes by its modality


def _content(file: Path, read: Read) -> _Content | str:
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
