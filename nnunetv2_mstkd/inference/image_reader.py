"""Files and SimpleITK images through nnU-Net's own readers, and segmentations through its writers (L3)."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.tif_reader_writer import Tiff3DIO
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.image import Image, geometry_of

_CHANNEL_SUFFIX = re.compile(r"_\d{4}$")
# Formats that keep every voxel of an image in memory, written in no time: SimpleITK reads NaN and infinite voxels of
# NIfTI files as zeros, and readers that know no MetaImage read NIfTI with nibabel.
_EXACT_ENDINGS = (".mha", ".nii")


class ImageReader:
    """Reads images as the model's training did.

    Args:
        plans_manager: of the model; its `image_reader_writer` is what reads.
        file_ending: of the training data.
    """

    def __init__(self, plans_manager: PlansManager, file_ending: str) -> None:
        self._reader: BaseReaderWriter = plans_manager.image_reader_writer_class()
        self.file_ending = file_ending

    @property
    def file_endings(self) -> tuple[str, ...]:
        """What the reader can read, the training data's ending first."""
        endings = [self.file_ending, *self._reader.supported_file_endings]
        if ".nii.gz" in endings:  # readers of the one read the other
            endings.append(".nii")
        return tuple(dict.fromkeys(ending.lower() for ending in endings))

    @property
    def reorients(self) -> bool:
        """Whether volumes are turned to one orientation when they are read, and label maps back when written."""
        return type(self._reader).__name__.endswith("WithReorient")

    def read(self, file: Path) -> Image:
        """Read one file.

        Raises:
            Exception: whatever the reader raises for a file that it cannot read.
        """
        self._require_spacing(file)
        volumes, properties = self._reader.read_images([str(file)])
        properties = _of_one_volume(properties)
        return Image(volumes, properties, geometry_of(volumes, properties))

    def read_label_map(self, file: Path) -> Image:
        """Read a segmentation.

        Raises:
            Exception: whatever the reader raises for a file that it cannot read.
        """
        labels, properties = self._reader.read_seg(str(file))
        return Image(labels, properties, geometry_of(labels, properties))

    def write_label_map(self, labels: NDArray, file: Path, properties: Mapping[str, Any]) -> None:
        """Write a segmentation (z, y, x) with the geometry that `properties` came with."""
        self._reader.write_seg(labels, str(file), dict(properties))

    def spacing_file(self, label_map: Path) -> Path | None:
        """Return the second file that writing a label map makes, with its spacing; None where there is none."""
        return label_map.with_suffix(".json") if isinstance(self._reader, Tiff3DIO) else None

    def convert(self, image: SimpleITK.Image) -> Image:
        """Read an image in memory as the same image in a file, NaN and infinite voxels included.

        Raises:
            CaseError: if the model's format has no place for the geometry of an image.
            Exception: whatever is raised for an image that cannot be written or read.
        """
        ending = next((e for e in _EXACT_ENDINGS if e in self._reader.supported_file_endings), None)
        if ending is None:
            raise CaseError(
                f"this model reads {self.file_ending} files, which have no geometry: give a file, or an array with "
                f"spacing_mm, in place of a SimpleITK image"
            )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"image{ending}"
            SimpleITK.WriteImage(image, str(file))
            return self.read(file)

    def _require_spacing(self, file: Path) -> None:
        """Refuse a 3D TIFF whose spacing nnU-Net would not find, and take for 1 mm."""
        if not isinstance(self._reader, Tiff3DIO):
            return
        case, found = _CHANNEL_SUFFIX.subn("", file.stem)
        if not found:
            raise CaseError("nnU-Net finds the spacing of a TIFF by names that end in _0000, _0001, ...: rename it")
        beside = file.with_name(f"{case}.json")
        if not beside.is_file():
            raise CaseError(f"a TIFF has no spacing of its own, and nnU-Net seeks it in {beside.name}: write that file")


def _of_one_volume(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a 4D file without its last axis, which no segmentation has."""
    stuff = properties.get("sitk_stuff")
    if stuff is None or len(stuff["spacing"]) < 4:
        return properties
    direction = np.reshape(stuff["direction"], (4, 4))[:3, :3]
    three = {"spacing": stuff["spacing"][:3], "origin": stuff["origin"][:3], "direction": tuple(direction.ravel())}
    return {**properties, "sitk_stuff": three}
