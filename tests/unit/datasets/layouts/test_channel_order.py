"""Of each layout, the images of a dataset are those that its channels say, by the voxels themselves."""

import json
import os

import numpy as np
import pytest
import SimpleITK
from source_layouts import LEVELS, MODALITIES, ROWS, write_source

from nnunetv2_mstkd.datasets.conversion.convert import plan_conversion, write_conversion
from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions
from nnunetv2_mstkd.datasets.layouts.scan import scan


def modality_of(file: str) -> str:
    """Return the modality whose level is that of most voxels."""
    voxels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(file))
    level = np.median(voxels[voxels > 0])
    return min(LEVELS, key=lambda modality: abs(LEVELS[modality] - level))


@pytest.mark.parametrize("layout", ROWS)
def test_images_come_in_the_order_of_the_channels(tmp_path, layout):
    written = write_source(tmp_path / "source", layout, num_patients=2)
    out = tmp_path / "Dataset001_X"
    source = scan(tmp_path / "source", layout)
    write_conversion(plan_conversion(source, out, LinkRoot.of(str(source.folder)), ConversionOptions()))
    described = json.loads((out / "dataset.json").read_text())
    assert [described["channel_names"][str(channel)] for channel in range(4)] == list(MODALITIES)
    for case in written:
        images = described["dataset"][case.name]["images"]
        assert [modality_of(os.path.join(out, image)) for image in images] == list(MODALITIES)
