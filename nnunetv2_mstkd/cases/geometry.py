"""Where the voxels of an image are, and how two images differ in it (L1')."""

from collections.abc import Sequence
from dataclasses import dataclass

# Headers keep numbers as text or as float32, and a direction as a quaternion: what a converter rounds must pass.
SPACING_TOLERANCE = 1e-3  # of the spacing itself
ORIGIN_TOLERANCE = 1e-2  # of a voxel's longest edge
DIRECTION_TOLERANCE = 1e-3  # of a direction cosine: 0.06 degrees


@dataclass(frozen=True)
class Geometry:
    """The grid of an image.

    Args:
        shape: voxels along (z, y, x); z = 1 for a 2D image.
        spacing: mm along (z, y, x).
        origin: of the first voxel, mm, as the header has it (SimpleITK: x, y, z); None where the format has none.
        direction: cosines, row by row, likewise.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...] | None
    direction: tuple[float, ...] | None


def differences(a: Geometry, b: Geometry) -> list[str]:
    """Return what differs by more than rounding, with the numbers of both sides; empty if the grids are the same.

    Origin and direction are compared where both images have them.
    """
    found = []
    if a.shape != b.shape:
        found.append(f"size {shown(a.shape)} and {shown(b.shape)} voxels (z, y, x)")
    if not _close(a.spacing, b.spacing, [SPACING_TOLERANCE * abs(s) for s in a.spacing]):
        found.append(f"spacing {shown(a.spacing)} and {shown(b.spacing)} mm (z, y, x)")
    # the slice axis of a 2D image has a spacing that nnU-Net made up
    edges = [s for s, length in zip(a.spacing, a.shape, strict=True) if length > 1] or a.spacing
    if _differ(a.origin, b.origin, ORIGIN_TOLERANCE * max(edges)):
        found.append(f"origin {shown(a.origin)} and {shown(b.origin)} mm")
    if _differ(a.direction, b.direction, DIRECTION_TOLERANCE):
        found.append(f"direction {shown(a.direction)} and {shown(b.direction)}")
    return found


def shown(numbers: Sequence[float] | None) -> str:
    """Return numbers as people write them: "(1, 0.5, 0.5)"."""
    return f"({', '.join(f'{number:.7g}' for number in numbers or ())})"


def _differ(a: Sequence[float] | None, b: Sequence[float] | None, tolerance: float) -> bool:
    return a is not None and b is not None and not _close(a, b, [tolerance] * len(a))


def _close(a: Sequence[float], b: Sequence[float], tolerances: Sequence[float]) -> bool:
    # written so that NaN is not close to anything
    return len(a) == len(b) and all(abs(x - y) <= t for x, y, t in zip(a, b, tolerances, strict=True))
