"""What the bytes of files show."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.cases.raw_file import RawFile, inspect_raw


def write(file, dtype=np.float32, values=None):
    values = np.random.default_rng(0).normal(100, 20, (5, 6, 7)) if values is None else values
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values.astype(dtype)), str(file))
    return file


def damage(file):
    return inspect_raw(file).damage


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".gipl"])
def test_a_file_is_whole_or_breaks_off(tmp_path, ending, dtype):
    file = write(tmp_path / f"image{ending}", dtype)
    assert damage(file) is None
    content = file.read_bytes()
    for length in (len(content) - 1, len(content) - 20, len(content) - 190):
        file.write_bytes(content[:length])
        assert "break" in damage(file), length


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".gipl"])
def test_the_reader_would_not_have_told(tmp_path, ending):
    """If this fails, SimpleITK has learnt to see it, and this module has no use any more."""
    file = write(tmp_path / f"image{ending}")
    file.write_bytes(file.read_bytes()[:-300])
    SimpleITK.ReadImage(str(file))


@pytest.mark.parametrize("ending", [".mha", ".nrrd"])
def test_other_formats_are_left_to_readers_that_tell(tmp_path, ending):
    file = write(tmp_path / f"image{ending}")
    file.write_bytes(file.read_bytes()[:-300])
    assert damage(file) is None
    with pytest.raises(RuntimeError):
        SimpleITK.ReadImage(str(file))


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_versions_of_nifti_in_both_byte_orders(tmp_path, kind, order):
    file = tmp_path / "image.nii"
    image = kind(np.ones((4, 5, 6), np.int16), np.eye(4), kind.header_class(endianness=order))
    nibabel.save(image, file)
    assert damage(file) is None
    length = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    assert f"its header stands for {length} bytes, and {length - 1} are there" in damage(file)


def test_a_file_is_what_its_content_says(tmp_path):
    content = write(tmp_path / "image.nii").read_bytes()
    (tmp_path / "plain.nii.gz").write_bytes(content)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(content))
    (tmp_path / "broken.nii").write_bytes(gzip.compress(content[:-50]))
    assert damage(tmp_path / "plain.nii.gz") is None
    assert damage(tmp_path / "packed.nii") is None
    assert "header stands for" in damage(tmp_path / "broken.nii")


def test_damaged_compressed_data_are_seen(tmp_path):
    file = write(tmp_path / "image.nii.gz")
    content = bytearray(file.read_bytes())
    content[-6] ^= 1  # a bit of the checksum
    file.write_bytes(content)
    assert "CRC check failed" in damage(file)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"\x1f", b"text", bytes(400)])
def test_what_is_no_image_is_left_to_the_reader_or_told(tmp_path, content):
    file = tmp_path / "image.nii"
    file.write_bytes(content)
    found = damage(file)
    assert ("break off" in found) if content == b"\x1f\x8b" else (found is None)


def test_a_file_that_is_not_there_is_left_to_the_reader(tmp_path):
    assert damage(tmp_path / "nothing.nii.gz") is None


def test_nan_and_infinite_voxels_are_counted_though_the_reader_makes_them_zero(tmp_path):
    values = np.random.default_rng(0).normal(100, 20, (5, 6, 7))
    values[1, 1, [1, 2]] = np.nan, np.inf
    file = write(tmp_path / "image.nii.gz", values=values)
    assert inspect_raw(file).non_finite_of(0) == "has 1 NaN and 1 infinite voxels of 210 (0.95 %): replace them"
    assert np.isfinite(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))).all()


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_volume_is_looked_at(tmp_path, kind, order, dtype):
    values = np.random.default_rng(0).normal(100, 20, (4, 5, 6, 3)).astype(dtype)
    values[..., 0] = np.nan  # emptiness rather than a fault
    values[0, 0, 0, 2] = np.inf
    nibabel.save(kind(values, np.eye(4), kind.header_class(endianness=order)), tmp_path / "image.nii.gz")
    raw = inspect_raw(tmp_path / "image.nii.gz")
    assert (raw.non_finite_of(0), raw.non_finite_of(1), raw.non_finite_of(3)) == (None, None, None)
    assert raw.non_finite_of(2) == "has 0 NaN and 1 infinite voxels of 120 (0.83 %): replace them"


def test_whole_numbers_are_not_looked_at(tmp_path):
    assert inspect_raw(write(tmp_path / "image.nii.gz", np.int16)) == RawFile(None, (None,))
