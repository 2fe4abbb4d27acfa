"""A box of voxels in a volume (L1')."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """A box of voxels, in the axis order of the volume.

    Args:
        start: first index of each axis.
        stop: the index after the last one.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @classmethod
    def around(cls, mask: NDArray[np.bool_]) -> "Box | None":
        """Return the smallest box that holds all True voxels; None if there are none.

        Args:
            mask: bool, any number of axes.
        """
        start, stop = [], []
        for axis in range(mask.ndim):
            occupied = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
            if not len(occupied):
                return None
            start.append(int(occupied[0]))
            stop.append(int(occupied[-1]) + 1)
            mask = mask[(slice(None),) * axis + (slice(start[-1], stop[-1]),)]  # the next axis has less to look at
        return cls(tuple(start), tuple(stop))

    @classmethod
    def whole(cls, shape: Sequence[int]) -> "Box":
        """Return the box of a whole volume."""
        return cls((0,) * len(shape), tuple(shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, ...]:
        """What cuts the box out of the volume."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def within(self, other: "Box") -> tuple[slice, ...]:
        """Return what cuts this box out of an array that covers `other`, which must contain it."""
        return self.moved([-a for a in other.start]).slices

    def moved(self, offset: Sequence[int]) -> "Box":
        """Return the box, moved by a number of voxels along each axis."""
        return Box(_add(self.start, offset), _add(self.stop, offset))

    def contains(self, other: "Box") -> bool:
        """Return whether another box lies inside."""
        return self.union(other) == self

    def union(self, other: "Box") -> "Box":
        """Return the smallest box that holds both."""
        return Box(tuple(map(min, self.start, other.start)), tuple(map(max, self.stop, other.stop)))

    def intersection(self, other: "Box") -> "Box | None":
        """Return the box of the common voxels; None if there are none."""
        both = Box(tuple(map(max, self.start, other.start)), tuple(map(min, self.stop, other.stop)))
        return both if min(both.shape, default=1) > 0 else None

    def grown(self, margin: Sequence[int], shape: Sequence[int]) -> "Box":
        """Return the box, larger by a margin on all sides as far as a volume of `shape` goes."""
        start = tuple(max(0, a - m) for a, m in zip(self.start, margin, strict=True))
        return Box(start, tuple(min(n, b + m) for n, b, m in zip(shape, self.stop, margin, strict=True)))


def _add(index: tuple[int, ...], offset: Sequence[Any]) -> tuple[int, ...]:
    return tuple(i + int(o) for i, o in zip(index, offset, strict=True))
