"""One slice of one test case, as the picture needs it (L2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from nnunetv2_mstkd.datasets.demonstration.patient import LABELS

NECROSIS, OEDEMA, ENHANCING = (LABELS[name] for name in ("necrosis", "oedema", "enhancing"))
MARGIN = 2  # voxels around the brain

Slice = NDArray[np.float32]  # (y, x); y to the back, x to the patient's left
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class SliceView:
    """What is drawn of a case.

    Args:
        case: its identifier.
        images: by modality, (y, x), scaled to 0..1.
        reference: labels, (y, x).
        predictions: labels by (subset, model), (y, x).
    """

    case: str
    images: Mapping[str, Slice]
    reference: Labels
    predictions: Mapping[tuple[str, str], Labels]


def choose_case(labels: Path) -> str:
    """Return the case that shows most: the one whose smallest of the three labels is largest.

    Args:
        labels: folder with reference segmentations.
    """
    smallest = {}
    for file in sorted(labels.glob("*.nii.gz")):
        seg = read_array(file)
        smallest[file.name.removesuffix(".nii.gz")] = min(
            np.count_nonzero(seg == label) for label in (NECROSIS, OEDEMA, ENHANCING)
        )
    return max(smallest, key=lambda case: smallest[case])


def read_slice(
    case: str, images: Mapping[str, Path], reference: Path, predictions: Mapping[tuple[str, str], Path]
) -> SliceView:
    """Read a case, and keep the slice with the largest tumour core, cropped to the brain.

    Args:
        case: its identifier.
        images: file by modality.
        reference: file.
        predictions: file by (subset, model).
    """
    seg = read_array(reference)
    z = int(np.argmax(np.isin(seg, (NECROSIS, ENHANCING)).sum(axis=(1, 2))))
    arrays = {name: read_array(file)[z].astype(np.float32) for name, file in images.items()}
    window = _brain_window(np.stack(list(arrays.values())))
    return SliceView(
        case,
        {name: _scaled(array[window]) for name, array in arrays.items()},
        seg[z][window],
        {key: read_array(file)[z][window] for key, file in predictions.items()},
    )


def read_array(file: Path) -> NDArray:
    """Return the voxels of a file, (z, y, x)."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))


def _brain_window(images: NDArray) -> tuple[slice, slice]:
    brain = (images != 0).any(axis=0)
    return tuple(  # type: ignore[return-value]
        slice(max(0, int(places.min()) - MARGIN), int(places.max()) + 1 + MARGIN) for places in np.nonzero(brain)
    )


def _scaled(image: Slice) -> Slice:
    """Return the image between its 1st and 99.5th percentile inside the brain as 0..1; the outside stays 0."""
    brain = image != 0
    low, high = np.percentile(image[brain], (1, 99.5)) if brain.any() else (0.0, 1.0)
    return np.where(brain, np.clip((image - low) / max(high - low, 1e-6), 0, 1), 0).astype(np.float32)
