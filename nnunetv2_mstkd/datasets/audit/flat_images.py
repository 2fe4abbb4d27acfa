"""Datasets of two-dimensional images, which are not examined (L1')."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import SimpleITK

from nnunetv2_mstkd.datasets.audit.finding import Finding


def components_of_flat(images: Sequence[Path]) -> int:
    """Return the numbers per pixel of the first image that can be read; 0 if it is no two-dimensional one.

    Only headers are read.
    """
    for file in images:
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(file))
        try:
            reader.ReadImageInformation()
        except RuntimeError:  # what is wrong with it is told where images are examined
            continue
        return int(reader.GetNumberOfComponents()) if reader.GetDimension() == 2 else 0
    return 0


def unexamined(count: int) -> Iterator[Finding]:
    """Yield the note that images and label maps were not read.

    Args:
        count: of the cases.
    """
    told = "have two dimensions, and the check reads volumes. dataset.json, names and splits were looked at"
    yield Finding("note", "images", f"not examined: the files of cases ({count}) {told}")
