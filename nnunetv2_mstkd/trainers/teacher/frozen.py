"""A model that was trained before as teacher (L3)."""

from collections.abc import Mapping
from typing import Any

from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.errors import CheckpointError
from nnunetv2_mstkd.trainers.teacher.base import BuildBranch
from nnunetv2_mstkd.trainers.teacher.teacher_checkpoint import (
    load_teacher,
    require_features,
    require_same_task,
    teacher_file,
)
from nnunetv2_mstkd.trainers.teacher.without_gradient import TeacherWithoutGradient


class FrozenTeacher(TeacherWithoutGradient):
    """Its weights are read when the training starts; validation of a finished student does without them.

    The training state has the file's SHA-256, not its weights: they never change, and a copy in each checkpoint would
    weigh as much as the student.

    Args:
        settings: of the run.
        build: makes the network.
        init_args: of the trainer.
    """

    def __init__(self, settings: DistillationSettings, build: BuildBranch, init_args: Mapping[str, Any]) -> None:
        self.settings = settings
        self.build = build
        self.init_args = init_args
        self.sha256: str | None = None  # of the file that the run began with

    def start(self, fold: int | str) -> list[str]:
        """Read and check the checkpoint.

        Raises:
            SettingsError: if the model is of another dataset, of other plans, or lacks what a distillation term needs.
            CheckpointError: if it cannot be read, or is not the one that the run began with.
        """
        file = teacher_file(self.settings, fold)
        loaded = load_teacher(file)
        if self.sha256 not in (None, loaded.sha256):
            raise CheckpointError(
                f"{file} is no longer the teacher that this training began with (SHA-256 {self.sha256[:12]}, now "
                f"{loaded.sha256[:12]}): put that file back, or start anew without --c"
            )
        require_same_task(loaded, self.init_args)
        require_features(loaded, self.settings)
        self.sha256 = loaded.sha256
        self.network = self.build(loaded.has_transformer, loaded.has_style_fusion, loaded.style_stages)
        loaded.put_into(self.network)
        self.network.requires_grad_(False).eval()
        return loaded.notes(fold)

    def state_dict(self) -> dict[str, Any]:
        """Return the checksum of the file."""
        return {"teacher_sha256": self.sha256}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back the checksum."""
        self.sha256 = state["teacher_sha256"]
