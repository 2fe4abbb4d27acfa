"""Numbers of a case that tell sequences and labels apart, whatever the scale of its intensities (L1')."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

Features = Mapping[str, float]

MIN_VOXELS = 20  # of a label, below which its median says little
MIN_NORMAL = 1000  # voxels of the brain outside of the lesion
MAX_BRAIN = 0.7  # of the volume; above it nothing around the brain is zero
_MARGIN = 2  # voxels around the lesion that are not counted as normal


@dataclass(frozen=True)
class Contrast:
    """What is kept of a case.

    Args:
        channels: channel -> its features. "tail": how far the brightest of the normal brain lie from its median,
            compared with the darkest, -1 to 1. "outer_rank": share of the normal brain that is darker than the
            outermost label, 0 to 1. "uptake": of the brightest label above the median of the normal brain, in its
            interquartile ranges; only with several labels.
        labels: value -> its features. "outside": share of its surface to other values that faces the background.
            "<channel>": its median, on the scale of "uptake".
        untold: why nothing is kept, in words; "" if something is.
    """

    channels: Mapping[int, Features] = field(default_factory=dict)
    labels: Mapping[int, Features] = field(default_factory=dict)
    untold: str = ""


def contrast_of(images: Mapping[int, NDArray[np.float32]], seg: NDArray[np.integer]) -> Contrast:
    """Measure a case; nothing is told of one that has too little of brain or lesion.

    Args:
        images: channel -> (z, y, x), finite; of the channels that are present.
        seg: (z, y, x), on the same grid.
    """
    brain = np.all([image != 0 for image in images.values()], axis=0)
    normal = brain & ~binary_dilation(seg > 0, iterations=_MARGIN)
    values = [int(v) for v in np.unique(seg) if v and np.count_nonzero(seg == v) >= MIN_VOXELS]
    if untold := _untold(brain, normal, values):
        return Contrast(untold=untold)
    outside = {value: _outside_share(seg, value) for value in values}
    outermost = max(values, key=lambda value: outside[value])
    labels: dict[int, dict[str, float]] = {value: {"outside": outside[value]} for value in values}
    channels = {}
    for channel, image in images.items():
        reference = image[normal]
        medians = {value: float(np.median(image[seg == value])) for value in values}
        low, quarter, median, three_quarters, high = np.percentile(reference, (5, 25, 50, 75, 95))
        if not low < quarter < three_quarters < high:
            continue  # hardly any grey levels: there is no scale
        for value in values:
            labels[value][str(channel)] = float((medians[value] - median) / (three_quarters - quarter))
        features = {"tail": float((high + low - 2 * median) / (high - low))}
        features["outer_rank"] = float(np.mean(reference < medians[outermost]))
        if len(values) > 1:
            features["uptake"] = max(labels[value][str(channel)] for value in values)
        channels[channel] = features
    return Contrast(channels, labels)


def _untold(brain: NDArray[np.bool_], normal: NDArray[np.bool_], values: Sequence[int]) -> str:
    """Return why a case cannot be measured; "" if it can."""
    if not values:
        return f"no label of {MIN_VOXELS} voxels"
    if brain.mean() > MAX_BRAIN:
        return "the surroundings of the brain are not zero"
    if np.count_nonzero(normal) < MIN_NORMAL:
        return f"fewer than {MIN_NORMAL} voxels of brain outside of the labels"
    return ""


def _outside_share(seg: NDArray[np.integer], value: int) -> float:
    """Return which part of a label's faces to other values is to the background; 0 for a label without faces."""
    faces = outer = 0
    for own, other in _neighbours(np.pad(seg, 1)):
        border = (own == value) & (other != value)
        faces += int(np.count_nonzero(border))
        outer += int(np.count_nonzero(border & (other == 0)))
    return outer / faces if faces else 0.0


def _neighbours(seg: NDArray[np.integer]) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Yield the volume beside itself moved by one voxel, along each axis, both ways."""
    for axis in range(seg.ndim):
        ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(seg.ndim))
        behind = tuple(slice(None, -1) if a == axis else slice(None) for a in range(seg.ndim))
        yield seg[ahead], seg[behind]
        yield seg[behind], seg[ahead]
