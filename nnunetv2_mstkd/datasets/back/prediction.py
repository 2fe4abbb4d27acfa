"""The label maps that a model wrote, and what they become (L1')."""

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.geometry import Geometry, differences
from nnunetv2_mstkd.cases.voxels import LABEL_MAX_VALUE
from nnunetv2_mstkd.datasets.back.way_back import WayBack
from nnunetv2_mstkd.datasets.conversion.image_file import read_image
from nnunetv2_mstkd.datasets.conversion.label_file import LabelError, read_label
from nnunetv2_mstkd.errors import ConversionError

_SHOWN = 8  # an image has thousands of values


@dataclass(frozen=True)
class LabelMap:
    """A label map with the values that are written, compressed: all of a cohort fit into memory, and are read once.

    Args:
        packed: the labels, of 8 bits, (z, y, x).
        geometry: their grid.
    """

    packed: bytes
    geometry: Geometry

    @classmethod
    def of(cls, labels: NDArray[np.uint8], geometry: Geometry) -> "LabelMap":
        """Return it for labels (z, y, x) on their grid."""
        return cls(zlib.compress(labels.tobytes(), level=1), geometry)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The labels, (z, y, x); not to be written to."""
        return np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(self.geometry.shape)


def find_predictions(folder: Path, dataset_json: Mapping[str, Any]) -> dict[str, Path]:
    """Return case -> its label map in an output folder of a prediction, sorted by name.

    Args:
        folder: that `mstkd predict` or `nnUNetv2_predict` wrote.
        dataset_json: of it.

    Raises:
        ConversionError: if the folder is missing, or holds no label map.
    """
    ending = str(dataset_json.get("file_ending", ".nii.gz"))
    if not folder.is_dir():
        raise ConversionError(f"There is no folder {folder}")
    names = sorted(name for name in os.listdir(folder) if name.endswith(ending) and not name.startswith("."))
    if not names:
        told = "give the output folder of mstkd predict or nnUNetv2_predict"
        raise ConversionError(f"{folder} holds no label map (*{ending}): {told}")
    return {name.removesuffix(ending): folder / name for name in names}


def converted(file: Path, way: WayBack) -> LabelMap:
    """Return a label map with the values of the way back, on its own grid.

    Raises:
        LabelError: if the file is damaged, or has a value that the way back does not know.
    """
    image = read_label(file)
    voxels = image.volumes[0]
    unknown = [value for value in np.unique(voxels).tolist() if value not in way.values]
    if unknown:
        known = ", ".join(map(str, way.values))
        shown = [f"{value:g} ({way.lost[value]})" if value in way.lost else f"{value:g}" for value in unknown[:_SHOWN]]
        more = [f"and {len(unknown) - _SHOWN} more"] if len(unknown) > _SHOWN else []
        raise LabelError(
            f"has the value{'s' if len(unknown) > 1 else ''} {', '.join([*shown, *more])}, but the way back to "
            f"{way.title} knows {known} only: give the layout that has it, or the dataset.json of its model"
        )
    table = np.zeros(LABEL_MAX_VALUE + 1, np.uint8)
    for value, native in way.values.items():
        table[value] = native
    return LabelMap.of(table[voxels.astype(np.uint8)], image.geometry)


def is_same(file: Path, label_map: LabelMap) -> bool:
    """Return whether a file holds just these labels on this grid already."""
    try:
        image = read_image(file)
    except (RuntimeError, ValueError):
        return False
    same_grid = len(image.volumes) == 1 and not differences(image.geometry, label_map.geometry)
    return same_grid and image.volumes.dtype == np.uint8 and np.array_equal(image.volumes[0], label_map.labels)
