"""Images that a caller gives by modality."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.inference.given_images import case_of_images
from nnunetv2_mstkd.inference.image import Image
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "FLAIR"))
ARRAY = np.ones((2, 3, 4), np.float32)


class Reader:
    """Reads every file and converts every image as the same one, but for the file "broken"."""

    reorients = False

    def read(self, file):
        if file.name == "broken":
            raise RuntimeError("no header")
        return Image(ARRAY[None], {"from": str(file)}, None)

    def convert(self, image):
        return Image(ARRAY[None], {"from": "memory"}, None)


def test_each_image_is_the_channel_of_its_name_or_alias():
    given = {"flair": "a.nii.gz", "T1gd": SimpleITK.Image(2, 2, SimpleITK.sitkFloat32), "T1": ARRAY}
    case, images = case_of_images(given, MODALITIES, Reader(), (3, 2, 1))
    assert {channel: source.file for channel, source in case.sources.items()} == {
        0: Path("T1"),
        1: Path("T1gd"),
        2: Path("a.nii.gz"),
    }
    assert images[Path("a.nii.gz")].properties == {"from": "a.nii.gz"}
    assert images[Path("T1gd")].properties == {"from": "memory"}
    assert images[Path("T1")].geometry.spacing == (3, 2, 1)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({}, ModalityError, "No image is given"),
        ({"T3": "a"}, ModalityError, "Unknown modality 'T3'"),
        ({"T1ce": "a", "t1gd": "b"}, ModalityError, "'t1gd' and another name stand for T1ce"),
        ({"T1": "broken"}, CaseError, "broken cannot be read: no header"),
        ({"T1": ARRAY}, CaseError, "needs spacing_mm"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(given, error, says):
    with pytest.raises(error, match=says):
        case_of_images(given, MODALITIES, Reader())


def test_a_reader_that_turns_images_takes_no_arrays():
    reader = Reader()
    reader.reorients = True
    with pytest.raises(CaseError, match="turns images to one orientation"):
        case_of_images({"T1": ARRAY}, MODALITIES, reader, (1, 1, 1))
