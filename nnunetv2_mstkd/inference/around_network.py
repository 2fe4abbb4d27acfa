"""What a case goes through before and after the network, in `mstkd predict` as in `mstkd benchmark` (L3)."""

from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray
from torch import Tensor

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.errors import PredictionError
from nnunetv2_mstkd.inference.model import Model


def preprocess(
    image: NDArray[np.float32],
    properties: dict[str, Any],
    case: Case,
    plans: PlansManager,
    configuration: ConfigurationManager,
    dataset_json: dict[str, Any],
    *,
    seg: NDArray | None = None,
) -> tuple[NDArray[np.float32], NDArray, dict[str, Any]]:
    """Return a case as nnU-Net's preprocessor leaves it, with zeros in absent channels; thread-safe.

    Args:
        image: (M, z, y, x), all channels of the model.
        properties: nnU-Net's, of the image.
        case: which channels are present.
        plans: of the model.
        configuration: of the model.
        dataset_json: of the model.
        seg: (1, z, y, x) labels that go through the same crop and resampling.

    Returns:
        (data, seg, properties): data (M, *S); seg (1, *S), of no use if none was given.
    """
    preprocessor = configuration.preprocessor_class(verbose=False)
    data, seg, properties = preprocessor.run_case_npy(image, seg, properties, plans, configuration, dataset_json)
    # after the normalisation: not every scheme leaves zero where it is
    data[[channel for channel in range(len(data)) if channel not in case.sources]] = 0
    return data, seg, properties


def require_finite(logits: Tensor) -> None:
    """Check the logits (K, *S) of a case: nnU-Net takes NaN for background, and looks for infinite ones alone.

    Raises:
        PredictionError: if one is NaN or infinite.
    """
    if not all(bool(torch.isfinite(channel).all()) for channel in logits):  # by channel: to need little memory
        raise PredictionError(
            "The network's logits are NaN or infinite. If it computed in float16 or bfloat16, numbers became too large "
            "for that: on a CPU take --engine torch-float32, in place of a GPU -device cpu. If they stay so in "
            "float32, the weights are damaged, or an image has extreme intensities"
        )


def labels_of(
    logits: Tensor, model: Model, properties: dict[str, Any], return_probabilities: bool = False
) -> tuple[NDArray[np.integer], NDArray[np.float32] | None]:
    """Return what logits (C, *S) of a preprocessed case say on the grid of its images; thread-safe.

    Returns:
        (labels, probabilities): labels (z, y, x); probabilities (C, z, y, x), None unless asked for.
    """
    result = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits,
        model.plans,
        model.configuration,
        model.labels,
        properties,
        return_probabilities,
        num_threads_torch=torch.get_num_threads(),
    )
    labels, probabilities = result if return_probabilities else (result, None)
    return labels, probabilities
