"""Voxel grids in BraTS geometry, and smooth random fields that do not depend on the grid."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# BraTS: 240 x 240 x 155 voxels of 1 mm; x to the patient's left, y to the back, z to the head (ITK's LPS)
BRATS_EXTENT_MM = (155.0, 240.0, 240.0)  # in array order z, y, x
BRATS_ORIGIN_MM = (0.0, -239.0, 0.0)  # of the first voxel at 1 mm, in ITK's order x, y, z

# The part of the extent that a head can fill; everything outside stays zero and is not simulated.
HEAD_LOWER_MM = (0.0, 18.0, 36.0)
HEAD_UPPER_MM = (155.0, 222.0, 204.0)

Field = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Cubic voxels that fill a box, in array order (z, y, x).

    Args:
        lower_mm: the corner of the box, from the corner of the BraTS extent.
        shape: voxels.
        spacing_mm: edge of a voxel.
    """

    lower_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    spacing_mm: float

    @cached_property
    def axes_mm(self) -> tuple[Field, Field, Field]:
        """The voxel centres along z, y and x, from the corner of the BraTS extent, shaped to broadcast."""
        z, y, x = (
            (lower + (np.arange(n) + 0.5) * self.spacing_mm).astype(np.float32)
            for lower, n in zip(self.lower_mm, self.shape, strict=True)
        )
        return z[:, None, None], y[None, :, None], x[None, None, :]

    def refined(self, factor: int) -> "Grid":
        """Return the grid with every voxel divided into factor^3."""
        return Grid(self.lower_mm, tuple(n * factor for n in self.shape), self.spacing_mm / factor)  # type: ignore[arg-type]


def volume_grid(spacing_mm: float) -> Grid:
    """Return the whole image: the BraTS extent in voxels of `spacing_mm`."""
    shape = tuple(max(1, round(extent / spacing_mm)) for extent in BRATS_EXTENT_MM)
    return Grid((0.0, 0.0, 0.0), shape, spacing_mm)  # type: ignore[arg-type]


def head_slices(volume: Grid) -> tuple[slice, slice, slice]:
    """Return the voxels of `volume` that a head can fill."""
    return tuple(  # type: ignore[return-value]
        slice(int(lower // volume.spacing_mm), min(n, int(-(-upper // volume.spacing_mm))))
        for lower, upper, n in zip(HEAD_LOWER_MM, HEAD_UPPER_MM, volume.shape, strict=True)
    )


def head_grid(volume: Grid) -> Grid:
    """Return the grid of the voxels in `head_slices`."""
    slices = head_slices(volume)
    lower = tuple(s.start * volume.spacing_mm for s in slices)
    return Grid(lower, tuple(s.stop - s.start for s in slices), volume.spacing_mm)


def block_mean(field: Field, factor: int) -> Field:
    """Average blocks of factor^3 voxels of the last three axes: the partial volume of a larger voxel."""
    if factor == 1:
        return field
    *front, z, y, x = field.shape
    blocks = field.reshape(*front, z // factor, factor, y // factor, factor, x // factor, factor)
    return blocks.mean(axis=(-5, -3, -1), dtype=np.float32)


def smooth_noise(rng: np.random.Generator, grid: Grid, pitch_mm: float) -> Field:
    """Draw a smooth random field, standard deviation about 1.

    Cubic B-splines on control points `pitch_mm` apart over the whole BraTS extent: the draw, and so the field in
    space, is the same on every grid. Sums are taken in a fixed order, not by a matrix product, whose result may change
    with the number of threads.

    Args:
        rng: is advanced by the same amount on every grid.
        grid: where to evaluate it.
        pitch_mm: distance of the control points; features are about twice as large.

    Returns:
        Array of the grid's shape.
    """
    count = [int(extent // pitch_mm) + 4 for extent in BRATS_EXTENT_MM]
    field = rng.standard_normal(count).astype(np.float32)
    for axis in range(3):
        field = _interpolate(field, axis, grid.axes_mm[axis].ravel() / np.float32(pitch_mm))
    return field / np.float32(0.33)  # the splines' mean energy: cubic B-splines average 4 x 4 x 4 points


def _interpolate(control: Field, axis: int, position: Field) -> Field:
    """Evaluate cubic B-splines along one axis at `position`, in units of the control points' distance."""
    first = position.astype(np.int64)
    t = position - first
    weights = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    along = [1, 1, 1]
    along[axis] = -1
    return sum(w.reshape(along) * np.take(control, first + k, axis=axis) for k, w in enumerate(weights))
