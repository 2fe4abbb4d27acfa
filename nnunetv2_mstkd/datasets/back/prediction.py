"""The label maps that a model wrote, and what they become (L1')."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.geometry import Geometry, differences
from nnunetv2_mstkd.datasets.back.way_back import WayBack
from nnunetv2_mstkd.datasets.conversion.image_file import read_image
from nnunetv2_mstkd.datasets.conversion.label_report import LabelError, report_label
from nnunetv2_mstkd.errors import ConversionError


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


def converted(file: Path, way: WayBack) -> tuple[NDArray[np.uint8], Geometry]:
    """Return a label map with the values of the way back, (z, y, x), on its own grid.

    Raises:
        LabelError: if the file is damaged, or has a value that the way back does not know.
    """
    report = report_label(file)
    unknown = [value for value in report.values if value not in way.values]
    if unknown:
        known = ", ".join(map(str, way.values))
        shown = ", ".join(f"{value} ({way.lost[value]})" if value in way.lost else str(value) for value in unknown)
        told = f"has the value {shown}, but the way back to {way.title} knows {known} only"
        raise LabelError(f"{told}: give the layout that has it, or the dataset.json of its model")
    table = np.zeros(256, np.uint8)
    for value, native in way.values.items():
        table[value] = native
    image = read_image(file)
    return table[image.volumes[0].astype(np.uint8)], image.geometry


def is_same(file: Path, labels: NDArray[np.uint8], geometry: Geometry) -> bool:
    """Return whether a file holds just these labels on this grid already."""
    try:
        image = read_image(file)
    except (RuntimeError, ValueError):
        return False
    same_grid = image.volumes.shape == (1, *labels.shape) and not differences(image.geometry, geometry)
    return same_grid and image.volumes.dtype == np.uint8 and bool(np.array_equal(image.volumes[0], labels))
