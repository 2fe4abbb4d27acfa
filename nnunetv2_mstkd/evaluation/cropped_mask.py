"""A binary mask without the empty space around it (L1')."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.evaluation.box import Box


@dataclass(frozen=True, eq=False)
class CroppedMask:
    """A binary mask, cut down to the bounding box of what is in it.

    A tumour fills a fiftieth of a brain's volume: all that follows costs that much less. It is a copy: who keeps it
    does not keep the volume.

    Args:
        voxels: bool, the box's shape.
        box: where they are in the volume; None if the mask is empty, and `voxels` then is, too.
        shape: of the volume.
    """

    voxels: NDArray[np.bool_]
    box: Box | None
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls, mask: NDArray[np.bool_], start: Sequence[int] | None = None, shape: Sequence[int] | None = None
    ) -> "CroppedMask":
        """Return a mask, cropped.

        Args:
            mask: bool, a whole volume, or a part of one.
            start: where the part begins; the volume's first voxel by default.
            shape: of the volume; the mask's by default.
        """
        whole = tuple(mask.shape if shape is None else shape)
        inside = Box.around(mask)
        if inside is None:
            return cls(np.zeros((0,) * mask.ndim, bool), None, whole)
        return cls(mask[inside.slices].copy(), inside if start is None else inside.moved(start), whole)

    @cached_property
    def count(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.voxels))

    def overlap(self, other: "CroppedMask") -> int:
        """Return the number of voxels that both have."""
        both = self.box.intersection(other.box) if self.box and other.box else None
        if self.box is None or other.box is None or both is None:
            return 0
        return int(np.count_nonzero(self.voxels[both.within(self.box)] & other.voxels[both.within(other.box)]))
