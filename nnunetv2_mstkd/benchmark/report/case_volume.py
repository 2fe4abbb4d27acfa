"""The images, reference and predictions of one case on the coarse grid of its previews (L2)."""

import base64
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.preview import sampled
from nnunetv2_mstkd.errors import BenchmarkError

MARGIN = 2  # voxels around the head

Volume = NDArray[np.uint8]  # (z, y, x)


@dataclass(frozen=True)
class CaseVolume:
    """One case on a coarse grid, cropped to the head.

    Args:
        case: name.
        images: by modality, grey values of 0..255; 0 is the background.
        reference: labels.
        predictions: labels by (title of the model, subset).
        spacing_mm: of the coarse grid along (x, y, z), as SimpleITK has it.
        origin_mm: of its first voxel.
        direction: cosines, nine numbers.
    """

    case: str
    images: Mapping[str, Volume]
    reference: Volume
    predictions: Mapping[tuple[str, str], Volume]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def focus(self) -> tuple[int, int, int]:
        """The voxel (z, y, x) to look at: the middle of the slices with the most foreground of the reference."""
        labels = self.reference if self.reference.any() else np.ones_like(self.reference)
        z = int(np.argmax((labels > 0).sum(axis=(1, 2))))
        places = np.argwhere(labels[z] > 0)
        y, x = places[np.argmin(np.abs(places - places.mean(axis=0)).sum(axis=1))]
        return z, int(y), int(x)

    @property
    def focus_mm(self) -> tuple[float, float, float]:
        """The same place in mm to the right, front and top, as NIfTI counts; ITK counts to the left and back."""
        z, y, x = self.focus
        shift = np.asarray(self.direction).reshape(3, 3) @ (np.asarray((x, y, z)) * self.spacing_mm)
        left, back, top = (np.asarray(self.origin_mm) + shift).tolist()
        return -left, -back, top

    def encoded(self, volume: Volume) -> str:
        """Return a volume of this grid as gzipped NIfTI, in base64."""
        image = SimpleITK.GetImageFromArray(volume)
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "volume.nii.gz"
            SimpleITK.WriteImage(image, str(file), useCompression=True)
            return base64.b64encode(file.read_bytes()).decode("ascii")


def read_case_volume(
    case: str,
    images: Mapping[str, str],
    reference: str,
    predictions: Mapping[tuple[str, str], Volume],
    stride: Sequence[int],
) -> CaseVolume:
    """Read a case from the files that were scored, and sample it as its previews were.

    Args:
        case: name.
        images: file by modality.
        reference: file.
        predictions: label maps of the previews, (z, y, x).
        stride: of the previews along (z, y, x).

    Raises:
        BenchmarkError: if a file cannot be read any more, or is not the one that was scored.
    """
    shape = next(iter(predictions.values())).shape
    first, arrays = None, {}
    for modality, file in images.items():
        image = _read(file)
        first = image if first is None else first
        arrays[modality] = _strided(image, file, stride, shape)
    if first is None:
        raise BenchmarkError(f"The record of {case} names no image")
    labels = sampled(_strided(_read(reference), reference, stride, shape), (1, 1, 1))  # large labels as in the previews
    whole = CaseVolume(
        case,
        {modality: grey_values(array) for modality, array in arrays.items()},
        labels,
        predictions,
        tuple(s * n for s, n in zip(first.GetSpacing(), reversed(list(stride)), strict=True)),
        first.GetOrigin(),
        first.GetDirection(),
    )
    return _cropped(whole)


def grey_values(image: NDArray[Any]) -> Volume:
    """Return an image as 1..255 between its 0.5th and 99.5th percentile; background, the corner's value, is 0."""
    inside = is_inside(image)
    if not inside.any():
        return np.zeros(image.shape, np.uint8)
    low, high = np.percentile(image[inside], (0.5, 99.5))
    share = np.clip((image.astype(np.float64) - low) / max(float(high - low), 1e-9), 0, 1)
    return np.where(inside, np.round(1 + 254 * share), 0).astype(np.uint8)


def is_inside(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where an image differs from its corner: 0 in skull-stripped MRI, -1024 in CT."""
    return image != image.flat[0]


def _read(file: str) -> SimpleITK.Image:
    try:
        image = SimpleITK.ReadImage(file)
    except RuntimeError as error:
        raise BenchmarkError(f"{file} cannot be read any more") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise BenchmarkError(f"{file} is no volume of grey values")
    return image


def _strided(image: SimpleITK.Image, file: str, stride: Sequence[int], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return every n-th voxel, as the previews keep them."""
    array = SimpleITK.GetArrayFromImage(image)[tuple(slice(None, None, step) for step in stride)]
    if array.shape != shape:
        raise BenchmarkError(f"{file} has another size than when it was scored")
    return array


def _cropped(whole: CaseVolume) -> CaseVolume:
    inside = np.any([image > 0 for image in whole.images.values()], axis=0) | (whole.reference > 0)
    if not inside.any():
        return whole
    box = tuple(
        slice(max(0, int(places.min()) - MARGIN), int(places.max()) + 1 + MARGIN) for places in np.nonzero(inside)
    )
    start = np.asarray([part.start for part in reversed(box)]) * whole.spacing_mm  # (x, y, z)
    shift = np.asarray(whole.direction).reshape(3, 3) @ start
    return replace(
        whole,
        images={modality: image[box] for modality, image in whole.images.items()},
        reference=whole.reference[box],
        predictions={key: labels[box] for key, labels in whole.predictions.items()},
        origin_mm=tuple((np.asarray(whole.origin_mm) + shift).tolist()),
    )
