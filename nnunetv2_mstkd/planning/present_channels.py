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

    A case in which every channel is constant is a blank image (the outermost slice of a 2D dataset), and lacks nothing.

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
            CaseError: if the channels are too few or many, one is constant but not zero beside images, or the table
                says something else.
        """
        images, properties = self._reader.read_images(files)
        if len(images) != len(self._modalities):
            raise CaseError(f"it has {len(images)} channels in {list(files)}, not {self._modalities.channel_files()}")
        self.present = self._find_present(images)
        has_all = self.present == self._modalities.all
        return images if has_all else images[np.array(self.present.present)], properties

    def read_seg(self, file: str) -> tuple[NDArray, dict[str, Any]]:
        """Return the label map (1, z, y, x), and nnU-Net's properties."""
        return self._reader.read_seg(file)

    def _find_present(self, images: NDArray) -> ModalitySubset:
        how = [find_emptiness(image) for image in images]
        if all(how):
            if self._claimed not in (None, self._modalities.all):
                raise self._contradiction("nothing (every modality is constant)")
            return self._modalities.all
        for name, emptiness, image in zip(self._modalities, how, images, strict=True):
            if emptiness and image.flat[0] != 0:
                raise CaseError(
                    f"{name} is {emptiness}: of an absent modality all voxels have to be zero, for others count as an "
                    f"image when nnU-Net crops. Write zeros"
                )
        present = ModalitySubset(self._modalities, tuple(emptiness is None for emptiness in how))
        if self._claimed not in (None, present):
            raise self._contradiction(str(present))
        return present

    def _contradiction(self, shown: str) -> CaseError:
        return CaseError(
            f"its images show {shown}, but {AVAILABILITY_FILE} of the raw dataset says {self._claimed}. Mend the "
            f"images, or delete that table to have it found again"
        )
