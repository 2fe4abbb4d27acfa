"""The kinds of teacher, one file each, and the one that the settings name (L3)."""

from collections.abc import Callable
from typing import Any

from nnunetv2_mstkd.distillation.settings import EMA, FROZEN, NETWORK, SHARED, DistillationSettings
from nnunetv2_mstkd.trainers.teacher.base import BuildBranch, Teacher
from nnunetv2_mstkd.trainers.teacher.ema import EMATeacher
from nnunetv2_mstkd.trainers.teacher.frozen import FrozenTeacher
from nnunetv2_mstkd.trainers.teacher.second_network import SecondNetwork
from nnunetv2_mstkd.trainers.teacher.shared import SharedTeacher

__all__ = ["EMATeacher", "FrozenTeacher", "SecondNetwork", "SharedTeacher", "Teacher", "make_teacher"]


def make_teacher(
    settings: DistillationSettings, student: Any, build: BuildBranch, init_args: dict[str, Any]
) -> Teacher:
    """Return the teacher that the settings name.

    Args:
        settings: of the run.
        student: bare, with its initial weights.
        build: makes a network beside the student.
        init_args: of the trainer, as nnU-Net stores them in checkpoints: what a frozen teacher has to fit.
    """
    kinds: dict[str, Callable[[], Teacher]] = {
        NETWORK: lambda: SecondNetwork(settings, student, build),
        SHARED: SharedTeacher,
        EMA: lambda: EMATeacher(settings, student, build),
        FROZEN: lambda: FrozenTeacher(settings, build, init_args),
    }
    return kinds[settings.teacher]()
