"""What a model says of one case (L3)."""

import errno
import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from nnunetv2_mstkd.errors import CaseError, OutputError
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.modalities import ModalitySubset
from nnunetv2_mstkd.whole_file import whole_file

_NEXT_TO_NOTHING = 1 << 20  # bytes free where the disk counts as full: less than a segmentation may need


@dataclass(frozen=True)
class Prediction:
    """A segmentation in the geometry of the input.

    Args:
        labels: (z, y, x), the label values of the model's dataset.json; of a 2D image (1, y, x). A model whose reader
            turns images to one orientation (nnU-Net's `...WithReorient`) has them in that; `image` and `save` turn
            them back.
        probabilities: float32 (C, z, y, x), per label or region, on the grid of `labels`; None unless asked for.
        used: the modalities that the model saw.
        warnings: what was noticed about the input.
        confidence: the model's own Dice for this subset by region, where the model folder has a benchmark.
        properties: nnU-Net's, of the input; what writes a file with its geometry.
    """

    labels: NDArray[np.integer]
    probabilities: NDArray[np.float32] | None
    used: ModalitySubset
    warnings: tuple[str, ...]
    confidence: dict[str, Any] | None
    properties: dict[str, Any] = field(repr=False)
    _reader: ImageReader = field(repr=False)

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Of a voxel of `labels`, along z, y, x."""
        return tuple(float(s) for s in self.properties["spacing"])

    def image(self) -> SimpleITK.Image:
        """Return the labels as a SimpleITK image with the geometry of the input.

        Raises:
            CaseError: if the input came with another kind of geometry: use `save`.
        """
        stuff = self.properties.get("sitk_stuff")
        if "nibabel_stuff" in self.properties:
            raise CaseError("This model reads images with nibabel: `save` the labels, and read the file")
        image = SimpleITK.GetImageFromArray(self.labels[0] if stuff and len(stuff["spacing"]) == 2 else self.labels)
        image.SetSpacing(stuff["spacing"] if stuff else self.spacing_mm[::-1])
        if stuff:
            image.SetOrigin(stuff["origin"])
            image.SetDirection(stuff["direction"])
            if "original_orientation" in stuff:  # of a reader that turns images
                image = SimpleITK.DICOMOrient(image, stuff["original_orientation"])
        return image

    def save(self, file: Path | str) -> None:
        """Write the labels, whole or not at all, in the format that the file's ending names.

        Raises:
            CaseError: if the input was an array: it had no geometry to write.
            OutputError: if what was written is not what is read back.
        """
        path = Path(file)
        if not any(name in self.properties for name in ("sitk_stuff", "nibabel_stuff")) and _needs_geometry(path):
            raise CaseError(f"The input was an array, without origin and direction: save {path.name} with SimpleITK")
        with ExitStack() as files:
            if beside := self._reader.spacing_file(path):
                files.enter_context(whole_file(beside))  # which writing `temporary` makes
            temporary = files.enter_context(whole_file(path))
            self._reader.write_label_map(self.labels, temporary, self.properties)
            self._require_whole(temporary, path)

    def _require_whole(self, written: Path, path: Path) -> None:
        """Read back what was written for `path`: not every writer says so when the disk is full.

        Raises:
            OutputError: if the labels are others; what caused it is an OSError with ENOSPC where the disk is full.
        """
        try:
            if np.array_equal(self._reader.read_label_map(written).volumes[0], self.labels):
                return
            cause: Exception | None = None
        except Exception as error:  # of whichever reader
            cause = error
        if shutil.disk_usage(written.parent).free < _NEXT_TO_NOTHING:
            cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        reason = f" ({cause})" if cause else ""
        raise OutputError(f"{path} could not be written: written and read back differ{reason}") from cause


def _needs_geometry(path: Path) -> bool:
    return path.suffix.lower() not in (".tif", ".tiff", ".png", ".bmp")
