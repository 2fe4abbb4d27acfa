"""The channels of one case side by side, as nnU-Net's preprocessor takes them (L3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.image import Image, Volume
from nnunetv2_mstkd.inference.image_reader import ImageReader


def stack_channels(
    case: Case, images: Mapping[Path, Image] | None, reader: ImageReader, num_channels: int
) -> tuple[Volume, dict[str, Any]]:
    """Return a case as nnU-Net's preprocessor takes it.

    Args:
        case: which file holds which channel.
        images: those that are in memory already, by file; others are read, one at a time. None: all are read.
        reader: of files.
        num_channels: of the model, M.

    Returns:
        (image, properties): image (M, z, y, x), absent channels zero; properties of the first present channel.
    """
    stack: Volume | None = None
    properties: dict[str, Any] = {}
    for file, sources in case.by_file().items():
        image = images[file] if images is not None and file in images else reader.read(file)
        if stack is None:
            stack, properties = np.zeros((num_channels, *image.volumes.shape[1:]), np.float32), dict(image.properties)
        for channel, source in sources.items():
            stack[channel] = image.volumes[source.volume or 0]
    if stack is None:
        raise CaseError(f"{case.name}: no channel is present")
    return stack, properties
