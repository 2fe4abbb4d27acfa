"""Every layout, scanned and converted: labels keep their meaning, and the way back leads to the source's values."""

import json
import os

import numpy as np
import pytest
import SimpleITK
from source_layouts import MODALITIES, ROWS, write_source

from nnunetv2_mstkd.datasets.conversion.convert import plan_conversion, write_conversion
from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions
from nnunetv2_mstkd.datasets.layouts.scan import scan
from nnunetv2_mstkd.datasets.layouts.table import LAYOUTS

# what each region is made of, as the challenges say
PARTS = {
    "whole_tumor": {"NCR", "ED", "ET", "CC"},
    "tumor_core": {"NCR", "ET", "CC"},
    "cystic_component": {"CC"},
    "enhancing_tumor": {"ET"},
    "resection_cavity": {"RC"},
}


def voxels(file) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))


@pytest.mark.parametrize("preset", ["native", "nnunet"])
@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_labels_keep_their_meaning(tmp_path, layout, preset):
    written = write_source(tmp_path / "source", layout, num_patients=2)
    out = tmp_path / "Dataset001_X"
    source = scan(tmp_path / "source", layout)
    plan = plan_conversion(source, out, LinkRoot.of(str(source.folder)), ConversionOptions(preset=preset))
    write_conversion(plan)
    described = json.loads((out / "dataset.json").read_text())
    assert sorted(described["dataset"]) == [case.name for case in written]
    assert [described["channel_names"][str(i)] for i in range(4)] == list(MODALITIES)
    for case in written:
        native = voxels(case.label)
        label = voxels(os.path.join(out, described["dataset"][case.name]["label"]))
        back = np.zeros_like(native)
        painted = np.zeros_like(label)
        regions = [(name, values) for name, values in described["labels"].items() if name != "background"]
        for (name, values), number in zip(regions, described["regions_class_order"], strict=True):
            # a region holds exactly the voxels of what it is made of, whatever their numbers
            expected = np.isin(native, [v for meaning, v in ROWS[layout].values.items() if meaning in PARTS[name]])
            assert np.array_equal(np.isin(label, values), expected), name
            painted[expected] = number  # as nnU-Net makes a label map of regions
        assert np.array_equal(painted, label)
        for value, number in described["mstkd_conversion"]["native_labels"].items():
            back[label == int(value)] = number
        assert np.array_equal(back, native)
