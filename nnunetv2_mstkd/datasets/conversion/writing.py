"""Write the files that a plan names (L1')."""

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.raw_file import inspect_raw
from nnunetv2_mstkd.cases.voxels import LABEL_MAX_VALUE
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.datasets.conversion.each_case import Progress, each_case, silent
from nnunetv2_mstkd.datasets.conversion.entry import LABEL, Entry
from nnunetv2_mstkd.datasets.conversion.image_file import read_image, write_image
from nnunetv2_mstkd.datasets.conversion.output_error import output_errors
from nnunetv2_mstkd.datasets.layouts.label_set import TargetLabels
from nnunetv2_mstkd.whole_file import whole_file


def write_entries(
    out: Path,
    cases: Sequence[Sequence[Entry]],
    labels: TargetLabels,
    workers: int = 1,
    progress: Progress = silent,
) -> None:
    """Write all files; those that are there already as they are to be stay.

    Args:
        out: folder of the dataset.
        cases: the entries of each.
        labels: what becomes of the values of label maps.
        workers: processes.
        progress: called after each case.

    Raises:
        OutputError: if a file cannot be written.
    """
    for _ in each_case(partial(_write_case, out, labels), cases, workers, "written", progress):
        pass


def _write_case(out: Path, labels: TargetLabels, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.target is None or is_written(out, entry, labels):
            continue
        with output_errors(out / entry.target):
            (out / entry.target).parent.mkdir(parents=True, exist_ok=True)
            (out / entry.target).unlink(missing_ok=True)  # a link that leads elsewhere
            _write(out, entry, out / entry.target, labels)


def is_written(out: Path, entry: Entry, labels: TargetLabels) -> bool:
    """Return whether an entry's file is there with its content; a link that leads elsewhere or nowhere is not.

    Args:
        out: folder of the dataset.
        entry: what is to be there; of what is written anew, voxels and spacing are compared.
        labels: what becomes of the values of label maps.
    """
    if entry.target is None:
        return True
    file = out / entry.target
    if not file.exists():
        return False
    if entry.action == "symlinked":
        return file.is_symlink() and os.readlink(file) == os.path.abspath(entry.file)
    if entry.action == "copied":
        return sha256_of(file) == entry.sha256
    return _holds(file, _volume(entry, labels), entry.geometry)


def _holds(file: Path, volume: NDArray[Any], geometry: Geometry) -> bool:
    """Return whether a file is whole and has these voxels (z, y, x) at this spacing."""
    try:
        image = None if inspect_raw(file).damage else read_image(file)
    except (OSError, RuntimeError, ValueError):
        return False
    return (
        image is not None
        and np.array_equal(image.volumes, volume[None])
        and np.allclose(image.geometry.spacing, geometry.spacing)
    )


def _write(out: Path, entry: Entry, file: Path, labels: TargetLabels) -> None:
    if entry.action == "absent":
        _write_zeros(out, entry, file, _volume(entry, labels))
    elif entry.action == "symlinked":
        file.symlink_to(os.path.abspath(entry.file))
    elif entry.action == "copied":
        with whole_file(file) as temporary:
            shutil.copyfile(entry.file, temporary)
    else:
        write_image(_volume(entry, labels), entry.geometry, file)


def _volume(entry: Entry, labels: TargetLabels) -> NDArray[Any]:
    """Return the voxels (z, y, x) that an entry is to have."""
    if entry.action == "absent":
        return np.zeros(entry.geometry.shape, np.uint8)
    volume = read_image(entry.file).volumes[entry.volume]
    return _relabelled(volume, labels) if entry.part == LABEL else volume


def _write_zeros(out: Path, entry: Entry, file: Path, volume: NDArray[Any]) -> None:
    zeros = file if entry.zeros is None else out / entry.zeros
    if not zeros.exists() or not _holds(zeros, volume, entry.geometry):
        write_image(volume, entry.geometry, zeros)
    if zeros != file:
        file.symlink_to(os.path.relpath(zeros, file.parent))


def _relabelled(volume: NDArray[Any], labels: TargetLabels) -> NDArray[np.uint8]:
    """Return the label map (z, y, x) with the dataset's values; what has no value there is a mistake of ours."""
    table = np.full(LABEL_MAX_VALUE + 1, LABEL_MAX_VALUE, np.uint8)
    for native, value in labels.values.items():
        table[native] = value
    return table[volume.astype(np.uint8)]
