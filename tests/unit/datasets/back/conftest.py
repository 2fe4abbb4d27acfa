"""Folders of predictions as a model writes them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

SPACING, ORIGIN = (1.0, 0.9, 1.5), (3.0, -239.0, 7.5)  # x, y, z
DIRECTION = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture
def write_labels():
    """Return a function that writes a label map with a geometry of its own."""

    def write(file: Path, labels: np.ndarray) -> None:
        image = SimpleITK.GetImageFromArray(labels)
        image.SetSpacing(SPACING)
        image.SetOrigin(ORIGIN)
        image.SetDirection(DIRECTION)
        file.parent.mkdir(parents=True, exist_ok=True)
        SimpleITK.WriteImage(image, str(file))

    return write


@pytest.fixture
def predictions(tmp_path, write_labels):
    """Return a function that writes label maps with a dataset.json beside them, and gives the folder."""

    def make(dataset_json: dict, cases: Mapping[str, np.ndarray]) -> Path:
        folder = tmp_path / "predictions"
        for case, labels in cases.items():
            write_labels(folder / f"{case}.nii.gz", labels.astype(np.uint8))
        (folder / "dataset.json").write_text(json.dumps({"file_ending": ".nii.gz", **dataset_json}))
        for name in ("plans.json", "predict_from_raw_data_args.json"):
            (folder / name).write_text("{}")
        return folder

    return make
