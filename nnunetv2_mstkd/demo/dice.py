"""The Dice values that nnU-Net's own evaluation has written (L2)."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.demo.folder import DemoFolder
from nnunetv2_mstkd.demo.recipe import Recipe

REGIONS = {"WT": "whole_tumor", "TC": "tumor_core", "ET": "enhancing_tumor"}  # as papers abbreviate them


@dataclass(frozen=True)
class Score:
    """Dice of one model, given one subset.

    Args:
        subset: what was present, as in "T1ce+FLAIR".
        model: title of the model.
        mean: by region; NaN where no case counts.
        by_case: by case, then by region; NaN where the region is neither in the reference nor in the prediction.
    """

    subset: str
    model: str
    mean: Mapping[str, float]
    by_case: Mapping[str, Mapping[str, float]]


def read_scores(folder: DemoFolder, recipe: Recipe) -> list[Score]:
    """Return the scores of all subsets and models, subset by subset."""
    return [
        _read(folder.root / folder.prediction(recipe, model, subset), str(subset), model.title)
        for subset in recipe.modality_subsets()
        for model in recipe.models
    ]


def _read(prediction: Path, subset: str, model: str) -> Score:
    labels = json.loads((prediction / "dataset.json").read_text(encoding="utf-8"))["labels"]
    summary = json.loads((prediction / "summary.json").read_text(encoding="utf-8"))
    by_case = {
        Path(case["prediction_file"]).name.removesuffix(".nii.gz"): _by_region(case["metrics"], labels)
        for case in summary["metric_per_case"]
    }
    return Score(subset, model, _by_region(summary["mean"], labels), by_case)


def _by_region(metrics: Mapping[str, Mapping[str, float]], labels: Mapping[str, int | list[int]]) -> dict[str, float]:
    """Return Dice by region; nnU-Net's keys are labels as text: "(1, 2, 3)", and "3" for a region of one label."""
    by_labels = {_as_set(ast.literal_eval(key)): value["Dice"] for key, value in metrics.items()}
    return {short: float(by_labels[_as_set(labels[name])]) for short, name in REGIONS.items()}


def _as_set(labels: int | list[int] | tuple[int, ...]) -> frozenset[int]:
    return frozenset([labels] if isinstance(labels, int) else labels)
