"""Labels of every layout, through both presets, and back."""

import numpy as np
import pytest
import SimpleITK
from source_layouts import ROWS

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet, target_labels
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME, LAYOUTS


def dataset_json(layout: str, preset: str) -> tuple[dict, np.ndarray, np.ndarray]:
    """Return dataset.json as it is written, a source's labels, and what they are in the dataset."""
    native = {value: meaning for meaning, value in ROWS[layout].values.items()}  # the tests' own table
    target = target_labels(LabelSet(native), preset)
    source = np.random.default_rng(0).choice([0, *native], size=(5, 6, 7)).astype(np.uint8)
    converted = np.select([source == value for value in target.values], list(target.values.values()))
    section = {
        "layout": layout,
        "title": BY_NAME[layout].title,
        "preset": preset,
        "native_labels": {str(value): native for value, native in target.native_values.items()},
        "prediction_name": BY_NAME[layout].prediction_name,
    }
    content = {
        "labels": dict(target.labels),
        "regions_class_order": target.regions_class_order,
        "mstkd_conversion": section,
    }
    return content, source, converted


@pytest.mark.parametrize("preset", ["native", "nnunet"])
@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_labels_come_back_as_they_were(layout, preset, predictions, tmp_path, capsys):
    content, source, converted = dataset_json(layout, preset)
    case = next(iter(ROWS[layout].cases)).format(i=7)
    folder = predictions(content, {case: converted})
    ways = [[]] if BY_NAME[layout].label_set is None else [[], ["--layout", layout]]
    for number, options in enumerate(ways):
        out = tmp_path / f"out{number}"
        assert main(["convert-back", str(folder), str(out), *options]) == 0
        files = [file.name for file in out.iterdir()]
        assert files == [BY_NAME[layout].prediction_name.format(case=case)]
        image = SimpleITK.ReadImage(str(out / files[0]))
        assert np.array_equal(SimpleITK.GetArrayFromImage(image), source)
        assert f"{case}: {out / files[0]}" in capsys.readouterr().out


def test_the_challenges_of_old_get_their_4(predictions, tmp_path):
    """By hand, without the converter's tables."""
    section = {
        "title": "BraTS 2021",
        "native_labels": {"0": 0, "1": 1, "2": 2, "3": 4},
        "prediction_name": "{case}.nii.gz",
    }
    labels = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
    content = {"labels": labels, "regions_class_order": [2, 1, 3], "mstkd_conversion": section}
    folder = predictions(content, {"a": np.array([[[0, 1], [2, 3]]])})
    assert main(["convert-back", str(folder), str(tmp_path / "out")]) == 0
    written = SimpleITK.ReadImage(str(tmp_path / "out/a.nii.gz"))
    assert SimpleITK.GetArrayFromImage(written).tolist() == [[[0, 1], [2, 4]]]
