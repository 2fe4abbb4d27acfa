"""What is in a label map (L1')."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.voxels import LABEL_MAX_VALUE
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.datasets.conversion.label_file import LabelError, read_label

MAX_VALUES = 64  # more of them are an image's; atlases and lists of lesions stay below


@dataclass(frozen=True)
class LabelReport:
    """What was found.

    Args:
        values: that occur, ascending.
        geometry: its grid.
        dimension: axes that the file has, 3 or more.
        sha256: of the file.
        voxels: checksum of its voxels.
    """

    values: tuple[int, ...]
    geometry: Geometry
    dimension: int
    sha256: str
    voxels: str


def report_label(file: Path) -> LabelReport:
    """Read a label map and check that it is one.

    Raises:
        LabelError: if it cannot be read, is damaged, or holds something else than a few whole numbers.
    """
    image = read_label(file)
    values = _values(image.volumes[0])
    voxels = hashlib.sha256(image.volumes[0].astype(np.uint8).tobytes()).hexdigest()
    return LabelReport(values, image.geometry, image.dimension, sha256_of(file), voxels)


def _values(voxels: NDArray[Any]) -> tuple[int, ...]:
    """Return the values of (z, y, x) voxels, if they are those of a label map."""
    values = np.unique(voxels)
    broken = values[~np.isfinite(values) | (values != np.floor(values))] if values.dtype.kind == "f" else values[:0]
    if len(broken):
        shown = ", ".join(f"{value:g}" for value in broken[:4])
        raise LabelError(f"has values that are no whole numbers, as {shown}: was it resampled like an image?")
    if len(values) > MAX_VALUES or values[0] < 0 or values[-1] > LABEL_MAX_VALUE:
        raise LabelError(
            f"has {len(values)} different values from {values[0]:g} to {values[-1]:g}: a label map has {MAX_VALUES} "
            f"at most, from 0 to {LABEL_MAX_VALUE}. Is it an image?"
        )
    return tuple(int(value) for value in values)
