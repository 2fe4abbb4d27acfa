"""Files and images in memory, read as nnU-Net reads them."""

import json

import numpy as np
import pytest
import SimpleITK
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO, SimpleITKIOWithReorient
from nnunetv2.imageio.tif_reader_writer import Tiff3DIO

from nnunetv2_mstkd.cases.geometry import differences
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.prediction import Prediction


class Plans:
    """What ImageReader reads of a PlansManager."""

    def __init__(self, reader: type) -> None:
        self.image_reader_writer_class = reader


@pytest.fixture
def reader() -> ImageReader:
    return ImageReader(Plans(SimpleITKIO), ".nii.gz")


@pytest.fixture
def volume() -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    return image


def test_endings_are_the_readers_and_the_datasets(reader):
    assert reader.file_endings[0] == ".nii.gz"
    assert {".nrrd", ".mha", ".nii"} <= set(reader.file_endings)
    assert ".nii" not in ImageReader(Plans(Tiff3DIO), ".tif").file_endings


def test_the_geometry_is_the_headers(reader, volume, tmp_path):
    SimpleITK.WriteImage(volume, str(tmp_path / "image.nii.gz"))
    geometry = reader.read(tmp_path / "image.nii.gz").geometry
    assert geometry.shape == (2, 3, 4)
    assert geometry.spacing == pytest.approx((3, 2, 1))
    assert geometry.origin == pytest.approx((10, -20, 30))
    assert geometry.direction == pytest.approx((0, 1, 0, -1, 0, 0, 0, 0, 1))


def test_nibabels_geometry_is_that_of_its_affine(volume, tmp_path):
    SimpleITK.WriteImage(volume, str(tmp_path / "image.nii.gz"))
    geometry = ImageReader(Plans(NibabelIO), ".nii.gz").read(tmp_path / "image.nii.gz").geometry
    assert geometry.shape == (2, 3, 4)
    assert geometry.spacing == pytest.approx((3, 2, 1))
    assert geometry.origin == pytest.approx((-10, 20, 30))  # RAS, not LPS
    assert geometry.direction == pytest.approx((0, -1, 0, 1, 0, 0, 0, 0, 1))


@pytest.mark.parametrize("reader_class", [SimpleITKIO, NibabelIO])
def test_an_image_in_memory_is_the_same_as_its_file(reader_class, volume, tmp_path):
    reader = ImageReader(Plans(reader_class), ".nii.gz")
    SimpleITK.WriteImage(volume, str(tmp_path / "image.nii.gz"))
    from_file, from_memory = reader.read(tmp_path / "image.nii.gz"), reader.convert(volume)
    assert np.array_equal(from_file.volumes, from_memory.volumes)
    assert from_file.geometry == from_memory.geometry


@pytest.mark.parametrize("reader_class", [SimpleITKIO, NibabelIO])
def test_an_image_in_memory_keeps_what_is_no_number(reader_class, volume):
    """In a NIfTI file SimpleITK would read a zero."""
    volume[1, 2, 0], volume[0, 0, 1] = np.nan, np.inf
    volumes = ImageReader(Plans(reader_class), ".nii.gz").convert(volume).volumes
    assert np.isnan(volumes[0, 0, 2, 1])
    assert np.isinf(volumes[0, 1, 0, 0])


@pytest.mark.parametrize(("reader_class", "ending"), [(Tiff3DIO, ".tif"), (NaturalImage2DIO, ".png")])
def test_a_format_without_geometry_takes_no_images_in_memory(reader_class, ending, volume):
    with pytest.raises(CaseError, match=f"reads {ending} files, which have no geometry"):
        ImageReader(Plans(reader_class), ending).convert(volume)


@pytest.mark.parametrize("reader_class", [SimpleITKIOWithReorient, NibabelIOWithReorient])
def test_a_reader_that_turns_images_has_one_grid_for_all(reader_class, volume, tmp_path):
    reader = ImageReader(Plans(reader_class), ".nii.gz")
    assert reader.reorients
    SimpleITK.WriteImage(volume, str(tmp_path / "a.nii.gz"))
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(volume, "LPS"), str(tmp_path / "b.nii.gz"))
    a, b = (reader.read(tmp_path / f"{name}.nii.gz") for name in "ab")
    assert np.array_equal(a.volumes, b.volumes)
    assert differences(a.geometry, b.geometry) == []


def test_a_volume_of_a_4d_file_has_the_geometry_of_three_axes(reader, volume, tmp_path):
    SimpleITK.WriteImage(SimpleITK.JoinSeries([volume, volume]), str(tmp_path / "image.nii.gz"))
    image = reader.read(tmp_path / "image.nii.gz")
    assert image.geometry.spacing == pytest.approx((3, 2, 1))
    assert image.geometry.direction == pytest.approx((0, 1, 0, -1, 0, 0, 0, 0, 1))
    reader.write_label_map(np.ones((2, 3, 4), np.uint8), tmp_path / "seg.nii.gz", image.properties)
    assert SimpleITK.ReadImage(str(tmp_path / "seg.nii.gz")).GetOrigin() == volume.GetOrigin()


def test_a_tiff_without_its_spacing_is_refused(tmp_path):
    """nnU-Net would take it for 1 mm, and segment at the wrong scale."""
    import tifffile

    tifffile.imwrite(tmp_path / "case_0000.tif", np.ones((2, 3, 4), np.float32))
    reader = ImageReader(Plans(Tiff3DIO), ".tif")
    with pytest.raises(CaseError, match=r"case\.json"):
        reader.read(tmp_path / "case_0000.tif")
    (tmp_path / "case.json").write_text(json.dumps({"spacing": [3, 2, 1]}))
    assert reader.read(tmp_path / "case_0000.tif").geometry.spacing == (3, 2, 1)


def test_a_tiff_of_another_name_is_refused(tmp_path):
    """nnU-Net takes five characters off a name to find the spacing, whatever they are."""
    import tifffile

    tifffile.imwrite(tmp_path / "case_t1ce.tif", np.ones((2, 3, 4), np.float32))
    (tmp_path / "case.json").write_text(json.dumps({"spacing": [3, 2, 1]}))
    with pytest.raises(CaseError, match="names that end in _0000"):
        ImageReader(Plans(Tiff3DIO), ".tif").read(tmp_path / "case_t1ce.tif")


def test_the_labels_of_a_tiff_model_have_their_spacing_beside_them(tmp_path):
    reader = ImageReader(Plans(Tiff3DIO), ".tif")
    labels = np.arange(24).reshape(2, 3, 4) % 3
    properties = {"spacing": (3.0, 2.0, 1.0)}
    Prediction(labels, None, None, (), None, properties, reader).save(tmp_path / "case.tif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.json", "case.tif"]
    read = reader.read_label_map(tmp_path / "case.tif")
    assert np.array_equal(read.volumes[0], labels)
    assert read.geometry.spacing == (3, 2, 1)
