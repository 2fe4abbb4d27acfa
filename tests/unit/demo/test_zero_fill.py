"""Test cases for models that read no mask."""

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.demo.zero_fill import main


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for case in ("SIM-00001-000", "SIM-00002-000"):
        for channel in range(4):
            image = SimpleITK.GetImageFromArray(np.full((2, 3, 4), channel + 1, np.int16))
            image.SetSpacing((1.0, 2.0, 3.0))
            image.SetOrigin((0.0, -239.0, 0.0))
            SimpleITK.WriteImage(image, str(folder / f"{case}_{channel:04d}.nii.gz"))
    return folder


def test_absent_channels_are_zero_and_present_ones_untouched(images, tmp_path):
    target = tmp_path / "inputs" / "T1ce+FLAIR"
    for _ in range(2):  # an interrupted call is repeated
        main([str(images), str(target), "--present", "T1ce,FLAIR"])
    assert sorted(file.name for file in target.iterdir()) == sorted(file.name for file in images.iterdir())
    for file in target.iterdir():
        image, original = SimpleITK.ReadImage(str(file)), SimpleITK.ReadImage(str(images / file.name))
        channel = int(file.name[-len("0.nii.gz")])
        assert (SimpleITK.GetArrayFromImage(image) == (channel + 1 if channel in (1, 3) else 0)).all()
        assert (SimpleITK.GetArrayFromImage(original) == channel + 1).all()
        assert image.GetSpacing() == original.GetSpacing()
        assert image.GetOrigin() == original.GetOrigin()
        assert image.GetPixelID() == original.GetPixelID()


def test_a_file_system_without_links_gets_copies(images, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    main([str(images), str(tmp_path / "out"), "--present", "T1"])
    present = tmp_path / "out" / "SIM-00001-000_0000.nii.gz"
    assert present.read_bytes() == (images / present.name).read_bytes()
