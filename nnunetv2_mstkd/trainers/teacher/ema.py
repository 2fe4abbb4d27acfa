"""The running mean of the student's weights as teacher (L3)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.trainers.teacher.base import BuildBranch
from nnunetv2_mstkd.trainers.teacher.without_gradient import TeacherWithoutGradient
from nnunetv2_mstkd.unwrap import unwrap


class EMATeacher(TeacherWithoutGradient):
    """Exponential moving average of the student, after Tarvainen and Valpola's mean teacher.

    Args:
        settings: of the run.
        student: bare; gives the initial weights.
        build: makes the network.
    """

    def __init__(self, settings: DistillationSettings, student: nn.Module, build: BuildBranch) -> None:
        self.decay = settings.teacher_ema_decay
        self.network = build(settings.use_multiscale_transformer, settings.use_style_matching)
        self.network.requires_grad_(False).eval()
        unwrap(self.network).load_state_dict(student.state_dict())

    def follows_pretrained_weights(self) -> nn.Module:
        """Return the network."""
        return unwrap(self.network)

    def after_step(self, student: nn.Module, steps_before: int) -> None:
        """Move towards the student; buffers are copied."""
        teacher = unwrap(self.network)
        update: Any = get_ema_multi_avg_fn(warmed_up_decay(self.decay, steps_before))  # type: ignore[no-untyped-call]
        update(list(teacher.parameters()), list(student.parameters()), steps_before)
        with torch.no_grad():
            for mine, theirs in zip(teacher.buffers(), student.buffers(), strict=True):
                mine.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        return {"teacher_weights": unwrap(self.network).state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back the weights."""
        unwrap(self.network).load_state_dict(state["teacher_weights"])


def warmed_up_decay(decay: float, steps_before: int) -> float:
    """Return the decay of a step: small at first, so that the random weights at the start are soon forgotten."""
    return min(decay, (1 + steps_before) / (10 + steps_before))
