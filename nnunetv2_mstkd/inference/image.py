"""An image as one of nnU-Net's readers returns it, and arrays that are made one (L3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.errors import CaseError

Volume = NDArray[np.float32]  # (C, z, y, x); C = 1 but in 4D files


@dataclass(frozen=True)
class Image:
    """What a reader made of one file.

    Args:
        volumes: (C, z, y, x), float32; a 2D image has z = 1.
        properties: nnU-Net's, with `spacing` and whatever the reader needs to write a segmentation.
        geometry: of the volumes.
    """

    volumes: Volume
    properties: dict[str, Any] = field(repr=False)
    geometry: Geometry


def image_of_array(array: NDArray, spacing_mm: Sequence[float] | None, name: str) -> Image:
    """Return an array as an image.

    Args:
        array: (z, y, x), or (y, x) for a 2D image.
        spacing_mm: one number per axis of the array, in its order.
        name: of the modality, for errors.

    Raises:
        CaseError: if the array has other dimensions, or the spacing is missing or does not fit.
    """
    if array.ndim not in (2, 3):
        raise CaseError(f"{name}: an array must be (z, y, x), or (y, x) for 2D; given: shape {array.shape}")
    if spacing_mm is None or len(spacing_mm) != array.ndim:
        raise CaseError(
            f"{name}: an array needs spacing_mm with {array.ndim} numbers, one per axis; given: {spacing_mm}"
        )
    spacing = [float(s) for s in spacing_mm]
    if array.ndim == 2:
        spacing = [max(spacing) * 999, *spacing]  # as nnU-Net's readers do: slices of their own
    volume = np.asarray(array, np.float32).reshape(1, *array.shape[-3:] if array.ndim == 3 else (1, *array.shape))
    properties = {"spacing": spacing}
    return Image(volume, properties, geometry_of(volume, properties))


def geometry_of(volumes: Volume, properties: Mapping[str, Any]) -> Geometry:
    """Return the geometry that one of nnU-Net's readers found."""
    shape, spacing = volumes.shape[1:], tuple(float(s) for s in properties["spacing"])
    if "sitk_stuff" in properties:
        stuff = properties["sitk_stuff"]
        return Geometry(shape, spacing, tuple(stuff["origin"]), tuple(stuff["direction"]))
    if "nibabel_stuff" in properties:
        stuff = properties["nibabel_stuff"]
        affine = np.asarray(stuff.get("reoriented_affine", stuff["original_affine"]), float)
        axes = affine[:3, :3] / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-12)
        return Geometry(shape, spacing, tuple(affine[:3, 3].tolist()), tuple(axes.ravel().tolist()))
    return Geometry(shape, spacing, None, None)
