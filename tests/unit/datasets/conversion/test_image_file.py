"""What is read and written by SimpleITK, and what is told where it fails."""

import numpy as np
import pytest
import SimpleITK
from small_disk import files_of_at_most

from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.datasets.conversion.image_file import read_image, write_image
from nnunetv2_mstkd.datasets.layouts.description_parts import ENDINGS

SHAPE = (20, 24, 28)
GEOMETRY = Geometry(SHAPE, (1.0, 1.5, 2.0), (3.0, 4.0, 5.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
VOLUME = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)  # 13 kB, also when it is compressed


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read_again(tmp_path, ending):
    write_image(VOLUME, GEOMETRY, tmp_path / "new" / f"x{ending}")
    image = read_image(tmp_path / "new" / f"x{ending}")
    assert np.array_equal(image.volumes, VOLUME[None])
    assert image.geometry.spacing == pytest.approx(GEOMETRY.spacing)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, ending):
    with pytest.raises((OSError, RuntimeError)), files_of_at_most(4096):
        write_image(VOLUME, GEOMETRY, tmp_path / f"x{ending}")
    assert list(tmp_path.iterdir()) == []


def test_the_readers_message_is_told_without_where_in_its_sources_it_arose(tmp_path):
    (tmp_path / "x.nrrd").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match=r'^Unable to determine ImageIO reader for "[^"]*x\.nrrd"$'):
        read_image(tmp_path / "x.nrrd")
    with pytest.raises(RuntimeError, match=r'^The file "[^"]*y\.nrrd" does not exist\.$'):
        read_image(tmp_path / "y.nrrd")


def test_colours_are_refused(tmp_path):
    SimpleITK.WriteImage(SimpleITK.Image(4, 4, 4, SimpleITK.sitkVectorUInt8), str(tmp_path / "x.nrrd"))
    with pytest.raises(ValueError, match="numbers a voxel"):
        read_image(tmp_path / "x.nrrd")


def test_complex_numbers_are_refused(tmp_path):
    SimpleITK.WriteImage(SimpleITK.Image(4, 4, 4, SimpleITK.sitkComplexFloat32), str(tmp_path / "x.nii.gz"))
    with pytest.raises(ValueError, match="give the magnitude"):
        read_image(tmp_path / "x.nii.gz")
