"""The labels of a cascade's previous stage lie on the grid of the images, or are refused."""

import numpy as np
import pytest
import SimpleITK
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.previous_stage import previous_labels, previous_stage_faults

LABELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 4
GRID = Geometry((2, 3, 4), (3.0, 2.0, 1.0), (10.0, -20.0, 30.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


class Plans:
    """What ImageReader reads of a PlansManager."""

    image_reader_writer_class = SimpleITKIO


@pytest.fixture
def reader() -> ImageReader:
    return ImageReader(Plans(), ".nii.gz")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes labels and gives their file."""

    def run(labels=LABELS, origin=GRID.origin):
        image = SimpleITK.GetImageFromArray(labels)
        image.SetSpacing(GRID.spacing[::-1])
        image.SetOrigin(origin)
        SimpleITK.WriteImage(image, str(tmp_path / "case.nii.gz"))
        return tmp_path / "case.nii.gz"

    return run


def test_a_file_and_an_array_on_the_grid_of_the_images_are_taken(reader, write):
    for given in (write(), LABELS):
        assert np.array_equal(previous_labels(given, GRID, reader), LABELS)


def test_labels_on_another_grid_are_refused_with_the_numbers(reader, write):
    with pytest.raises(CaseError, match=r"case\.nii\.gz, .*size \(2, 3, 4\) and \(4, 3, 2\) voxels"):
        previous_labels(write(LABELS.reshape(4, 3, 2)), GRID, reader)  # as many voxels: a reshape would scramble them
    with pytest.raises(CaseError, match=r"origin \(10, -20, 30\) and \(10, -20, 90\)"):
        previous_labels(write(origin=(10.0, -20.0, 90.0)), GRID, reader)
    with pytest.raises(CaseError, match=r"shape \(4, 3, 2\); its images have \(2, 3, 4\)"):
        previous_labels(LABELS.reshape(4, 3, 2), GRID, reader)


def test_a_file_that_cannot_be_read_is_refused(reader, write, tmp_path):
    with pytest.raises(CaseError, match="cannot be read: RuntimeError"):
        previous_labels(tmp_path / "nothing.nii.gz", GRID, reader)
    write().write_bytes(b"no image")
    with pytest.raises(CaseError, match="cannot be read: RuntimeError"):
        previous_labels(tmp_path / "case.nii.gz", GRID, reader)


@pytest.mark.parametrize(
    ("given", "grid", "is_cascade", "says"),
    [
        (None, GRID, False, None),
        (LABELS, GRID, True, None),
        (LABELS[:1], None, True, None),  # the images have faults of their own: there is nothing to compare with
        (LABELS[:1], GRID, True, "have the shape"),
        (LABELS, GRID, False, "this model is no cascade: leave them out"),
        (None, GRID, True, "a cascade needs the labels of its previous stage"),
    ],
)
def test_labels_are_for_cascades_and_cascades_need_them(reader, given, grid, is_cascade, says):
    faults = list(previous_stage_faults(given, grid, reader, is_cascade=is_cascade))
    assert len(faults) == (says is not None)
    assert all(says in fault for fault in faults)
