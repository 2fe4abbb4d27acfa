"""Coarse label maps of a case, for the report's viewer (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.whole_file import whole_file

GRID_MM = 2.0  # about the distance of the voxels that are kept
_LARGEST = 255  # label that a preview can hold


def preview_stride(spacing_mm: Sequence[float]) -> tuple[int, ...]:
    """Return which voxels are kept: each n-th along (z, y, x)."""
    return tuple(max(1, round(GRID_MM / spacing)) for spacing in spacing_mm)


def sampled(labels: NDArray[np.integer], stride: Sequence[int]) -> NDArray[np.uint8]:
    """Return the voxels of a label map (z, y, x) that a preview keeps; labels beyond 255 become 255."""
    kept = labels[tuple(slice(None, None, step) for step in stride)]
    return np.minimum(kept, _LARGEST).astype(np.uint8)


@dataclass(frozen=True)
class Preview:
    """What one training found in one case with every subset.

    Args:
        subsets: names.
        labels: (subsets, z, y, x), every n-th voxel of the label maps.
        stride: n along (z, y, x).
    """

    subsets: tuple[str, ...]
    labels: NDArray[np.uint8] = field(repr=False)
    stride: tuple[int, ...]

    @staticmethod
    def file_of(records: Path, case: str) -> Path:
        """Return where it lies in the folder of a training's records."""
        return records / f"{case}.npz"

    def write(self, records: Path, case: str) -> None:
        """Write it into the folder of a training's records, whole or not at all."""
        records.mkdir(parents=True, exist_ok=True)
        with whole_file(self.file_of(records, case)) as temporary, open(temporary, "wb") as stream:
            subsets, stride = np.array(self.subsets), np.array(self.stride)
            np.savez_compressed(stream, labels=self.labels, subsets=subsets, stride=stride)

    @classmethod
    def read(cls, records: Path, case: str) -> "Preview":
        """Read it.

        Raises:
            BenchmarkError: if it is missing or damaged.
        """
        file = cls.file_of(records, case)
        try:
            with np.load(file, allow_pickle=False) as content:
                subsets = tuple(str(name) for name in content["subsets"])
                labels, stride = content["labels"], tuple(int(step) for step in content["stride"])
            if labels.ndim != 4 or len(labels) != len(subsets):
                raise ValueError(f"{len(subsets)} subsets, but labels {labels.shape}")
        except Exception as error:  # of damaged bytes numpy, zipfile, zlib and tokenize each raise their own
            raise BenchmarkError(
                f"{file} is missing or damaged ({type(error).__name__}: {error}). Delete {case}.json beside it and "
                f"give the same command again: only that case is computed anew"
            ) from error
        return cls(subsets, labels, stride)
