"""Images, reference and predictions end up in one place, and that place is where the files say."""

import base64

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.benchmark.report.case_volume import grey_values, read_case_volume
from nnunetv2_mstkd.benchmark.report.slice_picture import slice_picture
from nnunetv2_mstkd.errors import BenchmarkError

STRIDE = (1, 2, 2)  # along (z, y, x)
DIRECTION = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
MARKED = (6, 10, 8)  # a voxel (z, y, x) that the stride keeps


@pytest.fixture
def files(tmp_path):
    array = np.zeros((12, 24, 20), np.int16)
    array[3:10, 5:19, 5:17] = 100  # the head
    array[MARKED] = 900
    labels = np.zeros(array.shape, np.uint8)
    labels[MARKED] = 3
    for name, content in (("T1", array), ("T2", array // 2), ("labels", labels)):
        image = SimpleITK.GetImageFromArray(content)
        image.SetSpacing((1.0, 1.5, 3.0))
        image.SetOrigin((11.0, -22.0, 33.0))
        image.SetDirection(DIRECTION)
        SimpleITK.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    return tmp_path


def read(files, predictions):
    images = {name: str(files / f"{name}.nii.gz") for name in ("T1", "T2")}
    return read_case_volume("p", images, str(files / "labels.nii.gz"), predictions, STRIDE)


@pytest.fixture
def volume(files):
    labels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(files / "labels.nii.gz")))
    return read(files, {("model", "T1"): labels[::1, ::2, ::2]})


def decoded(text: str, tmp_path) -> SimpleITK.Image:
    (tmp_path / "decoded.nii.gz").write_bytes(base64.b64decode(text))
    return SimpleITK.ReadImage(str(tmp_path / "decoded.nii.gz"))


def place_of(image: SimpleITK.Image, value: int) -> np.ndarray:
    z, y, x = np.argwhere(SimpleITK.GetArrayFromImage(image) == value)[0].tolist()
    return np.array(image.TransformIndexToPhysicalPoint((x, y, z)))


def test_a_voxel_stays_in_its_place_in_space(volume, files, tmp_path):
    original = place_of(SimpleITK.ReadImage(str(files / "T1.nii.gz")), 900)
    for encoded in (volume.images["T1"], volume.reference, volume.predictions["model", "T1"]):
        image = decoded(volume.encoded(encoded), tmp_path)
        np.testing.assert_allclose(place_of(image, int(encoded.max())), original, atol=1e-4)
    # NIfTI's axes run to the right and front where ITK's run to the left and back
    np.testing.assert_allclose(volume.focus_mm, original * (-1, -1, 1), atol=1e-4)


def test_the_air_around_the_head_is_cut_off(volume):
    assert volume.images["T1"].shape == volume.reference.shape == volume.predictions["model", "T1"].shape
    # z: 3..9 with two voxels of margin, 1..11; y: 6, 8, .. 18 are 3..9 of the sampled, so 1..11; x: 3..8, so 1..9
    assert volume.reference.shape == (11, 11, 9)


def test_grey_values_use_the_whole_range_and_keep_the_background():
    image = np.full((10, 10, 10), -1024.0)
    image[2:8, 2:8, 2:8] = np.linspace(0, 100, 216).reshape(6, 6, 6)
    grey = grey_values(image)
    assert grey.dtype == np.uint8
    assert (grey[image == -1024] == 0).all()
    assert (grey[2:8, 2:8, 2:8].min(), grey[2:8, 2:8, 2:8].max()) == (1, 255)
    assert (grey_values(np.zeros((2, 2, 2))) == 0).all()


def test_another_image_than_the_scored_one_is_refused(files):
    with pytest.raises(BenchmarkError, match="another size"):
        read(files, {("model", "T1"): np.zeros((12, 11, 10), np.uint8)})


def test_a_missing_image_is_named(files):
    (files / "T2.nii.gz").unlink()
    with pytest.raises(BenchmarkError, match=r"T2\.nii\.gz cannot be read"):
        read(files, {("model", "T1"): np.zeros((12, 12, 10), np.uint8)})


def test_the_still_picture_shows_the_label_in_its_colour(volume, tmp_path):
    (tmp_path / "still.png").write_bytes(
        base64.b64decode(slice_picture(volume, "T1", [volume.reference], {3: "#ff0000"}))
    )
    picture = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "still.png"))).astype(int)
    plain, labelled = picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]
    assert (plain[..., 0] == plain[..., 1]).all()  # grey
    assert (labelled[..., 0] - labelled[..., 1]).max() > 100  # red
