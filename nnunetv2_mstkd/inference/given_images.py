"""Images that a caller gives by modality, each read or converted once (L3)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.inference.image import Image, image_of_array
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.modalities import Modalities

ImageLike: TypeAlias = Path | str | SimpleITK.Image | NDArray


def case_of_images(
    given: Mapping[str, ImageLike],
    modalities: Modalities,
    reader: ImageReader,
    spacing_mm: Sequence[float] | None = None,
) -> tuple[Case, dict[Path, Image]]:
    """Return a case whose images are in memory.

    Args:
        given: files, SimpleITK images and arrays, by names and aliases of the channels.
        modalities: of the model.
        reader: of files.
        spacing_mm: of arrays, one number per axis in the array's order.

    Returns:
        (case, images): the images by what stands for their files in the case: a file's name, or the modality's.

    Raises:
        ModalityError: if a name is unknown or nothing is given.
        CaseError: if an image cannot be read.
    """
    if not given:
        raise ModalityError(f"No image is given: at least one modality must be present. {modalities.choices}")
    sources: dict[int, ChannelSource] = {}
    images: dict[Path, Image] = {}
    for name, image in given.items():
        channel = modalities.channel(name)
        if channel in sources:
            raise ModalityError(f"{name!r} and another name stand for {modalities.names[channel]}")
        key = Path(image) if isinstance(image, str | Path) else Path(name)
        images[key] = _read(key, image, reader, spacing_mm)
        sources[channel] = ChannelSource(key)
    return Case("this case", sources), images


def _read(key: Path, image: ImageLike, reader: ImageReader, spacing_mm: Sequence[float] | None) -> Image:
    if not isinstance(image, str | Path | SimpleITK.Image):
        if reader.reorients:
            raise CaseError(f"{key}: this model turns images to one orientation, which an array does not tell")
        return image_of_array(np.asarray(image), spacing_mm, str(key))
    try:
        return reader.convert(image) if isinstance(image, SimpleITK.Image) else reader.read(key)
    except Exception as error:  # of whichever reader
        raise CaseError(f"{key} cannot be read: {error}") from error
