"""Whether the voxels of a channel are those of an image (L1')."""

import numpy as np
from numpy.typing import NDArray

# A label map, as opposed to an image: whole numbers, 0 to LABEL_MAX_VALUE, LABEL_MAX_DISTINCT different ones at most;
# two different whole numbers are one whatever they are. A real image of 8 bits has dozens of values.
LABEL_MAX_DISTINCT = 10
LABEL_MAX_VALUE = 255
_SAMPLE = 100_000  # voxels that tell most images from label maps without sorting all


def find_emptiness(voxels: NDArray[np.float32]) -> str | None:
    """Return in what way a channel holds nothing ("0 everywhere"), or None.

    Args:
        voxels: (z, y, x), one voxel at least.
    """
    first = voxels.flat[0]
    if np.isnan(first):
        return "NaN everywhere" if np.isnan(voxels).all() else None
    return f"{first:g} everywhere" if np.isfinite(first) and (voxels == first).all() else None


def find_fault(voxels: NDArray[np.float32]) -> str | None:
    """Return why a channel cannot be used, with the numbers, or None.

    Args:
        voxels: (z, y, x), not empty.
    """
    return find_non_finite(voxels) or _find_labels(voxels)


def find_non_finite(voxels: NDArray[np.floating]) -> str | None:
    """Return how many voxels are NaN or infinite; None if there are none, or all are NaN, which is emptiness."""
    if np.isfinite(voxels.min()) and np.isfinite(voxels.max()):  # NaN goes through both
        return None
    nan, infinite = int(np.isnan(voxels).sum()), int(np.isinf(voxels).sum())
    if nan == voxels.size:
        return None
    share = 100 * (nan + infinite) / voxels.size
    return f"has {nan} NaN and {infinite} infinite voxels of {voxels.size} ({share:.2g} %): replace them"


def _find_labels(voxels: NDArray[np.float32]) -> str | None:
    sample = voxels.ravel()[:: max(1, voxels.size // _SAMPLE)]
    for part in (sample, voxels):  # a look at the sample is enough for most images
        values = np.unique(part)
        if len(values) > LABEL_MAX_DISTINCT or (values != np.floor(values)).any():
            return None
    if len(values) > 2 and not 0 <= values[0] <= values[-1] <= LABEL_MAX_VALUE:
        return None
    return f"has the values of a label map rather than an image: {', '.join(f'{v:g}' for v in values)}"
