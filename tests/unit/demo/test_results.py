"""Table and picture, from files as nnU-Net writes them."""

import csv
import io
import json
import math

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.demo.dice import read_scores
from nnunetv2_mstkd.demo.folder import DemoFolder
from nnunetv2_mstkd.demo.picture import draw_picture
from nnunetv2_mstkd.demo.recipe import Model, Recipe
from nnunetv2_mstkd.demo.slice_view import choose_case, read_slice
from nnunetv2_mstkd.demo.table import csv_table, markdown_table

RECIPE = Recipe(
    cases=2,
    test_cases=2,
    spacing_mm=3.0,
    epochs=1,
    models=(Model("nnU-Net", "nnUNetTrainer", reads_mask=False), Model("MST-KD", "nnUNetTrainerMSTKD")),
    subsets=("T1,T1ce,T2,FLAIR", "FLAIR"),
)
LABELS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
# (subset, model) -> mean Dice of whole tumour, core, enhancing
MEANS = {
    ("T1+T1ce+T2+FLAIR", "nnU-Net"): (0.9, 0.8, 0.7),
    ("T1+T1ce+T2+FLAIR", "MST-KD"): (0.8, 0.8, 0.75),
    ("FLAIR", "nnU-Net"): (0.1, math.nan, math.nan),
    ("FLAIR", "MST-KD"): (0.8504, 0.2, math.nan),
}
SHAPE = (6, 20, 16)


def metrics(values):
    return {key: {"Dice": dice} for key, dice in zip(("(1, 2, 3)", "(1, 3)", "3"), values, strict=True)}


def write(array, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(file))


def segmentation(core_slice, size):
    seg = np.zeros(SHAPE, np.uint8)
    seg[1:5, 4:14, 4:12] = 2
    seg[core_slice, 6 : 6 + size, 6 : 6 + size] = 3
    seg[core_slice, 7 : 5 + size, 7 : 5 + size] = 1
    return seg


@pytest.fixture
def folder(tmp_path):
    folder = DemoFolder(tmp_path)
    images = np.zeros(SHAPE, np.float32)
    images[:, 3:17, 2:14] = np.random.default_rng(0).uniform(1, 2, (6, 14, 12))
    for case, size in (("small", 4), ("large", 6)):
        write(segmentation(3, size), tmp_path / folder.raw / "labelsTs" / f"{case}.nii.gz")
        for channel in range(4):
            write(images, tmp_path / folder.raw / "imagesTs" / f"{case}_{channel:04d}.nii.gz")
        for model in RECIPE.models:
            for subset in RECIPE.modality_subsets():
                write(segmentation(3, 5), tmp_path / folder.prediction(RECIPE, model, subset) / f"{case}.nii.gz")
    for model in RECIPE.models:
        for subset in RECIPE.modality_subsets():
            output = tmp_path / folder.prediction(RECIPE, model, subset)
            values = MEANS[str(subset), model.title]
            cases = [
                {"prediction_file": str(output / f"{c}.nii.gz"), "metrics": metrics(values)} for c in ("large", "small")
            ]
            (output / "summary.json").write_text(json.dumps({"metric_per_case": cases, "mean": metrics(values)}))
            (output / "dataset.json").write_text(json.dumps({"labels": LABELS}))
    return folder


def test_regions_are_found_by_their_labels(folder):
    scores = {(score.subset, score.model): score for score in read_scores(folder, RECIPE)}
    assert scores["T1+T1ce+T2+FLAIR", "nnU-Net"].mean == {"WT": 0.9, "TC": 0.8, "ET": 0.7}
    assert scores["FLAIR", "MST-KD"].by_case["large"]["TC"] == 0.2
    assert math.isnan(scores["FLAIR", "MST-KD"].mean["ET"])


def test_the_best_of_a_region_is_bold(folder):
    lines = markdown_table(read_scores(folder, RECIPE), RECIPE).splitlines()
    header = "| present | WT nnU-Net | WT MST-KD | TC nnU-Net | TC MST-KD | ET nnU-Net | ET MST-KD |"
    assert lines[0] == header
    assert lines[2] == "| T1+T1ce+T2+FLAIR | **0.900** | 0.800 | **0.800** | **0.800** | 0.700 | **0.750** |"
    assert lines[3] == "| FLAIR | 0.100 | **0.850** | - | **0.200** | - | - |"


def test_the_table_says_how_it_was_counted(folder):
    text = markdown_table(read_scores(folder, RECIPE), RECIPE)
    assert "2 simulated test cases after 1 epoch of 250 iterations" in text
    assert "left out of the mean" in text
    assert "nnU-Net reads no mask" in text


def test_the_csv_has_a_line_for_each_number(folder):
    rows = list(csv.DictReader(io.StringIO(csv_table(read_scores(folder, RECIPE)))))
    assert len(rows) == 2 * 2 * 3
    assert rows[0] == {"present": "T1+T1ce+T2+FLAIR", "model": "nnU-Net", "region": "whole_tumor", "dice": "0.9"}


def test_the_picture_shows_the_case_with_all_three_labels_large(folder):
    assert choose_case(folder.root / folder.raw / "labelsTs") == "large"


def test_the_slice_is_that_of_the_largest_core_cropped_to_the_brain(folder):
    raw = folder.root / folder.raw
    view = read_slice("large", {"T1": raw / "imagesTs/large_0000.nii.gz"}, raw / "labelsTs/large.nii.gz", {})
    assert view.reference.shape == (14 + 2 * 2, 12 + 2 * 2)
    assert set(np.unique(view.reference)) == {0, 1, 2, 3}  # the core is in slice 3 alone
    assert 0 <= view.images["T1"].min() < view.images["T1"].max() == 1


def test_the_picture_is_a_png(folder):
    draw_picture(folder, RECIPE, read_scores(folder, RECIPE), folder.root / "demo.png")
    assert (folder.root / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.root.glob(".partial*"))
