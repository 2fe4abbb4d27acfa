"""The student's own weights as teacher: one network, as the paper's figure is drawn (L3)."""

from typing import Any

import torch
from torch import Tensor

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.trainers.teacher.base import Teacher


class SharedTeacher(Teacher):
    """The student on the whole image; both segmentation losses train its weights."""

    def forward(
        self, student: Any, image: Tensor, masked: Tensor, return_attention: bool
    ) -> tuple[NetworkFeatures, NetworkFeatures]:
        """Run the network once, on both images as one batch: DDP wants one forward pass for each backward pass."""
        features = student(torch.cat((image, masked)), True, return_attention)
        halves = [_halves(value) for value in features]
        return NetworkFeatures(*(half[0] for half in halves)), NetworkFeatures(*(half[1] for half in halves))


def _halves(value: Any) -> tuple[Any, Any]:
    """Split a field of NetworkFeatures: a tensor, a list or tuple of them, or None."""
    if value is None:
        return None, None
    if isinstance(value, Tensor):
        first, second = value.chunk(2)
        return first, second
    pairs = [_halves(element) for element in value]
    return type(value)(pair[0] for pair in pairs), type(value)(pair[1] for pair in pairs)
