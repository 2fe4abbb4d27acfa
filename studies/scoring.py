"""Dice of a trained model on the test cases, for every subset of the modalities, as `mstkd benchmark` scores it."""

from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK
import torch
from study_data import StudyData

from nnunetv2_mstkd.evaluation.label_reference import LabelReference
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.metrics import metric_value
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.engines.names import TORCH_FLOAT32
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.regions import regions_of


@dataclass
class Scores:
    """What the test cases gave.

    Args:
        dice: [subset][region][case].
        empty: how often only the reference, only the prediction or both were empty.
        absent: region -> the cases whose reference has none of it.
    """

    dice: dict[str, dict[str, dict[str, float]]]
    empty: dict[str, int] = field(default_factory=lambda: {"reference": 0, "prediction": 0, "both": 0})
    absent: dict[str, list[str]] = field(default_factory=dict)

    def add(self, subset: str, case: str, region: str, facts: MaskFacts) -> None:
        """Note the facts of one mask."""
        self.dice[subset][region][case] = metric_value(facts, "dice")
        is_empty = (facts.is_reference_empty, facts.is_prediction_empty)
        if any(is_empty):
            self.empty[{(True, True): "both", (True, False): "reference", (False, True): "prediction"}[is_empty]] += 1
        if is_empty[0] and case not in self.absent.setdefault(region, []):
            self.absent[region].append(case)


def score_subsets(model: Path, fold: str, data: StudyData, only_subset: str | None = None) -> Scores:
    """Return the scores of a model folder on the test cases.

    Args:
        model: folder of plans.json, dataset.json and the folds.
        fold: of checkpoint_final.pth.
        data: with the test cases.
        only_subset: canonical name of the one subset to score; None scores all.
    """
    # one engine for all runs, whatever the machine: their differences are small
    model_folds = load_model(model, (fold,))
    predictor = SubsetPredictor(model_folds, torch.device("cpu"), engine=TORCH_FLOAT32, mirroring=False)
    regions = regions_of(data.dataset_json)
    subsets = [s for s in predictor.model.modalities.subsets() if only_subset in (None, str(s))]
    scores = Scores({str(subset): {region.name: {} for region in regions} for subset in subsets})
    for case in data.test_cases:
        file = SimpleITK.ReadImage(str(data.raw / "labelsTs" / f"{case}{data.dataset_json['file_ending']}"))
        reference = LabelReference(SimpleITK.GetArrayFromImage(file), regions, file.GetSpacing()[::-1])
        image, properties = data.load_test_case(case)
        for subset, logits in zip(subsets, predictor.predict_logits(torch.as_tensor(image), subsets), strict=True):
            for region, facts in reference.compare(predictor.finish(logits, properties)).items():
                scores.add(str(subset), case, region, facts)
    return scores
