"""The default teacher, the student's own weights: one network, as the paper's figure is drawn (L3)."""

from typing import Any

import torch
from torch import Tensor

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.trainers.halves import halves
from nnunetv2_mstkd.trainers.teacher.base import Teacher


class SharedTeacher(Teacher):
    """The student on the whole image; both segmentation losses train its weights."""

    def forward(
        self, student: Any, image: Tensor, masked: Tensor, return_attention: bool
    ) -> tuple[NetworkFeatures, NetworkFeatures]:
        """Run the network once, on both images as one batch: DDP wants one forward pass for each backward pass."""
        features = student(torch.cat((image, masked)), True, return_attention)
        fields = [halves(value) for value in features]
        return NetworkFeatures(*(field[0] for field in fields)), NetworkFeatures(*(field[1] for field in fields))
