"""A reader that gives the channels of a case which are images, and leaves out the zeros of absent ones (L3)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE
from nnunetv2_mstkd.cases.voxels import find_emptiness
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


class PresentChannelsReader:
    """nnU-Net's reader of a case, with the channels left out that are zero everywhere.

    Args:
        reader: of nnU-Net; it reads images and label map.
        modalities: of the dataset.
        claimed: what the table says that the case has; None without a table.
    """

    def __init__(self, reader: Any, modalities: Modalities, claimed: ModalitySubset | None) -> None:
        self._reader = reader
        self._modalities = modalities
        self._claimed = claimed
        self.present: ModalitySubset | None = None  # of the case, once it is read

    def read_images(self, files: Sequence[str]) -> tuple[NDArray, dict[str, Any]]:
        """Return the present channels (C, z, y, x) of a case, and nnU-Net's properties.

        Raises:
            CaseError: if the channels are too few or many, one is constant but not zero, none is left, or the table
                says something else.
        """
        images, properties = self._reader.read_images(files)
        if len(images) != len(self._modalities):
            raise CaseError(f"it has {len(images)} channels in {list(files)}, not {self._modalities.channel_files()}")
        flags = tuple(self._is_present(image, name) for image, name in zip(images, self._modalities, strict=True))
        if not any(flags):
            raise CaseError("it has nothing: every modality is zero everywhere. Take it out of the dataset")
        self.present = ModalitySubset(self._modalities, flags)
        self._require_claimed(self.present)
        return images[np.array(flags)] if not all(flags) else images, properties

    def read_seg(self, file: str) -> tuple[NDArray, dict[str, Any]]:
        """Return the label map (1, z, y, x), and nnU-Net's properties."""
        return self._reader.read_seg(file)

    def _is_present(self, image: NDArray, name: str) -> bool:
        how = find_emptiness(image)
        if how is not None and image.flat[0] != 0:
            raise CaseError(
                f"{name} is {how}: of an absent modality all voxels have to be zero, for others count as an image when "
                f"nnU-Net crops. Write zeros"
            )
        return how is None

    def _require_claimed(self, present: ModalitySubset) -> None:
        if self._claimed is None or self._claimed == present:
            return
        raise CaseError(
            f"its images show {present}, but {AVAILABILITY_FILE} of the raw dataset says {self._claimed}. Mend the "
            f"images, or delete that table to have it found again"
        )
