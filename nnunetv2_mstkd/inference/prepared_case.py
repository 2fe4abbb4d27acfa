"""A case read and preprocessed, as the network takes it (L3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot
from torch import Tensor

from nnunetv2_mstkd.cases.image_check import CaseCheck
from nnunetv2_mstkd.inference.around_network import preprocess
from nnunetv2_mstkd.inference.channel_stack import stack_channels
from nnunetv2_mstkd.inference.image import Image, geometry_of
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.inference.previous_stage import PreviousStage, previous_labels


@dataclass(frozen=True)
class PreparedCase:
    """A case as the network takes it.

    Args:
        check: the case without its empty channels, and what was noticed.
        image: (M, *S) preprocessed, absent channels zero; in a cascade with the previous stage's labels behind them.
        properties: nnU-Net's.
    """

    check: CaseCheck
    image: Tensor = field(repr=False)
    properties: dict[str, Any] = field(repr=False)


def prepare_case(
    check: CaseCheck,
    model: Model,
    reader: ImageReader,
    loaded: Mapping[Path, Image] | None = None,
    previous_stage: PreviousStage | None = None,
) -> PreparedCase:
    """Read and preprocess a case that has been checked; thread-safe.

    Args:
        check: of the case.
        model: that is to predict it; a dedicated one gets no more than its own modalities.
        reader: of files.
        loaded: images that are in memory, by file; None: all are read.
        previous_stage: of a cascade, as it was checked.
    """
    case = check.case if model.needs is None else check.case.restricted(model.needs)
    image, properties = stack_channels(case, loaded, reader, len(model.modalities))
    seg = None
    if previous_stage is not None:
        seg = previous_labels(previous_stage, geometry_of(image, properties), reader)[np.newaxis]
    settings = model.plans, model.configuration, model.dataset_json
    data, seg, properties = preprocess(image, properties, case, *settings, seg=seg)
    if previous_stage is not None:
        of_labels = convert_labelmap_to_one_hot(seg[0], model.labels.foreground_labels, data.dtype)
        data = np.vstack((data, of_labels))
    return PreparedCase(replace(check, case=case), torch.from_numpy(data), properties)
