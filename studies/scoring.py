"""Dice of a trained model on the test cases, for every subset of the modalities.

Absent channels are set to zero after normalisation: the same as zero-filled files, since z-scoring keeps zero. All
subsets of a case go through one sliding window as one batch, which for networks without batch statistics is the same
as one after the other, and faster. Scored in the reference's own geometry.
"""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import SimpleITK
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from study_data import StudyData
from torch import Tensor, nn

from nnunetv2_mstkd.distillation.subset_draw import mask_modalities
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


class EverySubset(nn.Module):
    """Predicts an image (1, M, *S) under each of N masks; the logits (N, R, *S) come as channels (1, N * R, *S)."""

    def __init__(self, network: nn.Module, subsets: list[ModalitySubset]) -> None:
        super().__init__()
        self.network = network
        self.modality_mask = torch.tensor([subset.present for subset in subsets])

    def forward(self, image: Tensor) -> Tensor:
        """Predict."""
        repeated = image.expand(len(self.modality_mask), *image.shape[1:])
        return self.network(mask_modalities(repeated, self.modality_mask)).flatten(0, 1)[None]


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

    def add(self, subset: str, case: str, region: str, reference: np.ndarray, prediction: np.ndarray) -> None:
        """Score one mask against its reference."""
        self.dice[subset][region][case] = dice_score(reference, prediction)
        is_empty = (not reference.any(), not prediction.any())
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
    every = Modalities.from_dataset_json(data.dataset_json).subsets()
    subsets = [subset for subset in every if only_subset in (None, str(subset))]
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), (fold,))
    scores = Scores({str(subset): {region: {} for region in data.regions} for subset in subsets})
    for case in data.test_cases:
        reference = _read(data.raw / "labelsTs" / f"{case}{data.dataset_json['file_ending']}")
        predictions = predict_subsets(predictor, subsets, *data.load_test_case(case))
        for subset, prediction in zip(subsets, predictions, strict=True):
            for region, labels in data.regions.items():
                scores.add(str(subset), case, region, np.isin(reference, labels), np.isin(prediction, labels))
    return scores


def predict_subsets(
    predictor: nnUNetPredictor, subsets: list[ModalitySubset], image: np.ndarray, properties: dict
) -> list[np.ndarray]:
    """Return the label maps of a preprocessed case for each subset, by nnU-Net's own sliding window and export."""
    network, labels = predictor.network, predictor.label_manager
    heads = labels.num_segmentation_heads
    predictor.network = EverySubset(network, subsets)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=heads * len(subsets))
    try:
        logits = predictor.predict_sliding_window_return_logits(torch.as_tensor(image))
    finally:
        predictor.network, predictor.label_manager = network, labels
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    return [
        convert_predicted_logits_to_segmentation_with_correct_shape(
            own.float(), plans, configuration, labels, properties, num_threads_torch=1
        )
        for own in logits.split(heads)
    ]


def dice_score(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Return the Dice of two masks; 1 if both are empty, 0 if one is (the convention of BraTS)."""
    total = int(reference.sum()) + int(prediction.sum())
    return 2 * int((reference & prediction).sum()) / total if total else 1.0


def _read(file: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))
