"""What teachers have in common that no backward pass reaches (L3)."""

from typing import Any

import torch
from torch import Tensor

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.trainers.teacher.base import Teacher


class TeacherWithoutGradient(Teacher):
    """A network that stays in evaluation mode: it has no dropout, and no graph is kept of it."""

    def forward(
        self, student: Any, image: Tensor, masked: Tensor, return_attention: bool
    ) -> tuple[NetworkFeatures, NetworkFeatures]:
        """Run each network once, the teacher without a graph."""
        with torch.no_grad():
            teacher = self.network(image, True, return_attention)
        return teacher, student(masked, True, return_attention)
