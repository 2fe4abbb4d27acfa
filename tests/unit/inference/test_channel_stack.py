"""Files become the channels of one case."""

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.inference.channel_stack import stack_channels
from nnunetv2_mstkd.inference.image_reader import ImageReader

ORIGIN = (10.0, -20.0, 30.0)


@pytest.fixture
def reader() -> ImageReader:
    return ImageReader(SimpleNamespace(image_reader_writer_class=SimpleITKIO), ".nii.gz")


@pytest.fixture
def volume() -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    image.SetOrigin(ORIGIN)
    return image


def test_absent_channels_are_zero_and_present_ones_in_their_place(reader, volume, tmp_path):
    SimpleITK.WriteImage(volume, str(tmp_path / "image.nii.gz"))
    case = Case("case", {2: ChannelSource(tmp_path / "image.nii.gz")})
    stack, properties = stack_channels(case, None, reader, 4)
    assert stack.shape == (4, 2, 3, 4)
    assert np.array_equal(stack[2], SimpleITK.GetArrayFromImage(volume))
    assert not stack[[0, 1, 3]].any()
    assert properties["sitk_stuff"]["origin"] == ORIGIN


def test_a_file_of_several_volumes_is_read_once(reader, volume, tmp_path, monkeypatch):
    file = tmp_path / "image.nii.gz"
    SimpleITK.WriteImage(SimpleITK.JoinSeries([volume, volume * 2]), str(file))
    reads = []
    read = reader.read
    monkeypatch.setattr(reader, "read", lambda path: reads.append(path) or read(path))
    case = Case("case", {0: ChannelSource(file, 1), 1: ChannelSource(file, 0)})
    stack, _ = stack_channels(case, None, reader, 2)
    assert np.array_equal(stack[0], 2 * stack[1])
    assert reads == [file]
