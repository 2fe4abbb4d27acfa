"""Images as SimpleITK reads and writes them, with their grid (L1')."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.raw_file import inspect_raw
from nnunetv2_mstkd.whole_file import whole_file


@dataclass(frozen=True)
class ImageFile:
    """What is in a file.

    Args:
        volumes: (C, z, y, x) in the file's own type; C = 1 but for a 4D file.
        geometry: of each volume.
        dimension: axes that the file has: 3, or more, also where these have the length 1.
    """

    volumes: NDArray[Any]
    geometry: Geometry
    dimension: int


def read_image(file: Path) -> ImageFile:
    """Read an image of three or four dimensions.

    Raises:
        RuntimeError: if it cannot be read, with the cause as SimpleITK tells it.
        ValueError: if it has other dimensions, or several numbers a voxel, as complex ones and colours have.
    """
    with _cause_only():
        image = SimpleITK.ReadImage(str(file))
    dimension = image.GetDimension()
    if dimension not in (3, 4):
        raise ValueError(f"it has {dimension} dimensions, but a volume (3), or one per channel (4), is needed")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError(f"it has {image.GetNumberOfComponentsPerPixel()} numbers a voxel, but one is needed")
    if image.GetPixelID() in (SimpleITK.sitkComplexFloat32, SimpleITK.sitkComplexFloat64):
        raise ValueError("its voxels are complex numbers, but real ones are needed: give the magnitude")
    voxels = SimpleITK.GetArrayFromImage(image)  # (z, y, x) or (C, z, y, x)
    volumes = voxels[None] if dimension == 3 else voxels
    direction = np.reshape(image.GetDirection(), (dimension, dimension))[:3, :3]
    geometry = Geometry(
        shape=volumes.shape[1:],
        spacing=image.GetSpacing()[2::-1],
        origin=image.GetOrigin()[:3],
        direction=tuple(float(cosine) for cosine in direction.flat),
    )
    return ImageFile(volumes, geometry, max(dimension, _told_dimension(image)))


def _told_dimension(image: SimpleITK.Image) -> int:
    """Return the axes that a NIfTI header names: SimpleITK passes over a fourth of length 1, other readers do not."""
    return int(image.GetMetaData("dim[0]")) if image.HasMetaDataKey("dim[0]") else 0


def write_image(volume: NDArray[Any], geometry: Geometry, file: Path) -> None:
    """Write a volume, whole or not at all; its folder is made.

    Args:
        volume: (z, y, x).
        geometry: of it, with origin and direction.
        file: whose ending says the format.

    Raises:
        OSError: if its folder cannot be made, or what was written is not whole.
        RuntimeError: if it cannot be written, with the cause as SimpleITK tells it.
    """
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(geometry.spacing[::-1])
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as temporary:
        with _cause_only():
            SimpleITK.WriteImage(image, str(temporary), useCompression=True)
        if damage := inspect_raw(temporary).damage:  # the writers of NIfTI and GIPL do not tell of a full disk
            raise OSError(f"what was written is not whole ({damage}): is the disk full?")


@contextmanager
def _cause_only() -> Iterator[None]:
    """Leave out of SimpleITK's errors where in its sources they arose."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(" ".join(str(error).rpartition("ERROR: ")[2].split())) from error
