"""A raw dataset of phantoms: brains with CSF and a tumour, in which each tissue looks as it does in each sequence."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

SEQUENCES = ("T1", "T1ce", "T2", "FLAIR")
# brightness in the order of SEQUENCES, as radiologists tell them apart: CSF is bright in T2 alone, oedema in T2 and
# FLAIR, the enhancing rim in T1ce
WHITE, GREY, CSF = (100, 100, 60, 60), (75, 75, 75, 75), (30, 30, 220, 10)
TISSUES = {"NCR": (55, 55, 150, 70), "ED": (70, 70, 130, 160), "ET": (75, 180, 110, 120)}
BRATS_2023 = {"NCR": 1, "ED": 2, "ET": 3}
REGIONS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}


def phantom(seed: int, values: dict[str, int], shape=(24, 26, 28)) -> tuple[np.ndarray, np.ndarray]:
    """Return images (4, z, y, x) and labels (z, y, x) of one patient."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    radius = np.linalg.norm(grid, axis=0)
    tissue = np.select([radius < 0.2, radius < 0.7, radius < 0.9, radius < 0.98], [3, 1, 2, 3], 0)
    table = np.array([(0, 0, 0, 0), WHITE, GREY, CSF])
    images = table[tissue].astype(np.float32)
    centre = rng.uniform(0.3, 0.4, size=3)[:, None, None, None] * rng.choice((-1, 1), size=(3, 1, 1, 1))
    distance = np.linalg.norm(grid - centre, axis=0)
    seg = np.zeros(shape, np.uint8)
    for name, reach in (("ED", 0.42), ("ET", 0.3), ("NCR", 0.2)):
        inside = (distance < reach) & (tissue > 0)
        images[inside] = TISSUES[name]
        seg[inside] = values[name]
    images *= rng.uniform(0.97, 1.03, size=images.shape) * rng.uniform(2, 9, size=4)  # each scanner has its own scale
    return np.moveaxis(images, -1, 0) * (tissue > 0), seg


def write(file: Path, array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> None:
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing)
    file.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(file))


@pytest.fixture
def dataset(tmp_path):
    """Return a function that writes a raw dataset and gives its folder.

    Args of the function:
        names: of the cases.
        values: meaning -> value in the label maps.
        channels: what the channels are called; they hold T1, T1ce, T2, FLAIR.
        changes: entries of dataset.json.
    """

    def make(names=("case_0", "case_1", "case_2"), values=BRATS_2023, channels=SEQUENCES, **changes) -> Path:
        folder = tmp_path / "Dataset001_Phantoms"
        for seed, name in enumerate(names):
            images, seg = phantom(seed, values)
            for channel, image in enumerate(images):
                write(folder / f"imagesTr/{name}_{channel:04d}.nii.gz", image.astype(np.int16))
            write(folder / f"labelsTr/{name}.nii.gz", seg)
        content = {
            "channel_names": {str(i): name for i, name in enumerate(channels)},
            "labels": REGIONS,
            "regions_class_order": [2, 1, 3],
            "numTraining": len(names),
            "file_ending": ".nii.gz",
            **changes,
        }
        (folder / "dataset.json").write_text(json.dumps(content))
        return folder

    return make
