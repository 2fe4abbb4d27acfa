"""The checkpoint of a frozen teacher: read without executing code, and checked against the run (L3)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.style_fusion import MST_KD_STAGES, STYLE_LAYERS
from nnunetv2_mstkd.distillation.settings import SECTION, DistillationSettings
from nnunetv2_mstkd.distillation.terms import NEEDED_PART, active_weights
from nnunetv2_mstkd.errors import CheckpointError, SettingsError
from nnunetv2_mstkd.inference.model_folder import read_json
from nnunetv2_mstkd.inference.safe_checkpoint import (
    CONFIGURATION,
    INIT_ARGS,
    TRAINER_NAME,
    WEIGHTS,
    load_hashed_checkpoint,
)
from nnunetv2_mstkd.unwrap import unwrap

FOLD = "{fold}"
_MODEL_FILES = {"plans": "plans.json", "dataset_json": "dataset.json"}  # by their names in init_args
# what of a planned configuration and of a dataset.json the meaning of image and logits depends on
_PLANNED = ("spacing", "normalization_schemes", "use_mask_for_norm")
_DESCRIBED = ("channel_names", "labels", "regions_class_order")


@dataclass(frozen=True)
class TeacherCheckpoint:
    """What is known of a model that is to teach.

    Args:
        file: that was read.
        sha256: of it.
        trainer_name: of who trained it.
        init_args: that trainer's.
        weights: by name, as in an MSTKDNetwork.
    """

    file: Path
    sha256: str
    trainer_name: str
    init_args: Mapping[str, Any]
    weights: Mapping[str, Tensor]

    @property
    def has_transformer(self) -> bool:
        """Whether the model has the multi-scale transformer."""
        return any(name.startswith("transformer.") for name in self.weights)

    @property
    def has_style_fusion(self) -> bool:
        """Whether the model has the style fusion."""
        return any(name.startswith("fusion.") for name in self.weights)

    @property
    def style_stages(self) -> tuple[int, ...]:
        """Stages that the model's style is made of; MST_KD_STAGES, too, where it has none."""
        found = (stages for stages, layer in STYLE_LAYERS.items() if f"fusion.{layer}.weight" in self.weights)
        return next(found, MST_KD_STAGES)

    def put_into(self, network: nn.Module) -> None:
        """Load the weights.

        Raises:
            SettingsError: if they are of another architecture.
        """
        try:
            unwrap(network).load_state_dict(self.weights)
        except RuntimeError as error:  # torch's, with a line for each weight
            raise SettingsError(
                f"Setting 'teacher_checkpoint': {self.file} is of another network than these plans and the setting "
                f"'preset' make. {str(error)[:500]}"
            ) from error

    def notes(self, fold: int | str) -> list[str]:
        """Return what the log should say: which model it is, and whether it knows the validation cases."""
        theirs = self.init_args.get("fold")
        notes = [f"Teacher: {self.file}, SHA-256 {self.sha256}, {self.trainer_name}, fold {theirs}"]
        if fold != "all" and theirs is not None and str(theirs) != str(fold):
            notes.append(
                f"The teacher was trained on fold {theirs}: it has seen validation cases of fold {fold}, whose Dice "
                f"may be too high. With {FOLD} in teacher_checkpoint each fold has its own teacher."
            )
        return notes


def teacher_file(settings: DistillationSettings, fold: int | str) -> Path:
    """Return the file that the setting `teacher_checkpoint` names for a fold."""
    text = os.path.expandvars(str(settings.teacher_checkpoint)).replace(FOLD, str(fold))
    return Path(text).expanduser()


def load_teacher(file: Path) -> TeacherCheckpoint:
    """Read a checkpoint of nnU-Net or of ours.

    Raises:
        CheckpointError: if it is missing or damaged, no checkpoint, or would execute code.
        ModelFolderError: if it says nothing of its plans, and there are none in the folder of its fold's model.
    """
    if not file.is_file():
        raise CheckpointError(
            f"Setting 'teacher_checkpoint': there is no file {file}. Training needs it from beginning to end; put it "
            f"back, or name another under a plans name of its own"
        )
    content, sha256 = load_hashed_checkpoint(file)
    # nnU-Net's decoder has the encoder's weights a second time
    weights = {name: value for name, value in content[WEIGHTS].items() if not name.startswith("decoder.encoder.")}
    init_args = _with_files_of_the_model(content[INIT_ARGS], file)
    return TeacherCheckpoint(file, sha256, content[TRAINER_NAME], init_args, weights)


def _with_files_of_the_model(init_args: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Complete what an exported checkpoint says of its training: plans and dataset.json are in the model's folder."""
    files = {name: file_name for name, file_name in _MODEL_FILES.items() if not init_args.get(name)}
    return {**init_args, **{name: read_json(file.parent.parent, file_name) for name, file_name in files.items()}}


def require_same_task(teacher: TeacherCheckpoint, init_args: Mapping[str, Any]) -> None:
    """Check that a teacher takes the run's images, all of their channels, and names the run's labels.

    Raises:
        SettingsError: if channels, labels, spacing or normalisation differ; the message shows both sides.
    """
    if fixed := teacher.init_args["plans"].get(SECTION, {}).get("fixed_subset"):
        raise SettingsError(
            f"Setting 'teacher_checkpoint': {teacher.file} has never seen anything but {fixed!r} (its fixed_subset): "
            f"name a model that knows all modalities"
        )
    for what, (theirs, ours) in _task(teacher.init_args, init_args).items():
        if theirs != ours:
            raise SettingsError(
                f"Setting 'teacher_checkpoint': {teacher.file} does not fit. Its {what} is {theirs!r}, that of this "
                f"run is {ours!r}. Name a model of the same dataset and plans"
            )


def _task(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {"configuration": (theirs.get(CONFIGURATION), ours.get(CONFIGURATION))}
    for name in _DESCRIBED:
        pairs[name] = (theirs["dataset_json"].get(name), ours["dataset_json"].get(name))
    mine, other = _planned(theirs), _planned(ours)
    return pairs | {name: (mine.get(name), other.get(name)) for name in _PLANNED}


def _planned(init_args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the planned configuration with what it inherits."""
    configuration = PlansManager(init_args["plans"]).get_configuration(init_args[CONFIGURATION])
    return dict(configuration.configuration)


def require_features(teacher: TeacherCheckpoint, settings: DistillationSettings) -> None:
    """Check that a teacher has what the distillation terms compare.

    Raises:
        SettingsError: naming the weights that have to be 0.
    """
    parts = {"use_multiscale_transformer": teacher.has_transformer, "use_style_matching": teacher.has_style_fusion}
    lacking = {part for part, there in parts.items() if not there}
    if wrong := [f"weight_{term}" for term in active_weights(settings) if NEEDED_PART.get(term) in lacking]:
        raise SettingsError(
            f"Setting 'teacher_checkpoint': {teacher.file}, of {teacher.trainer_name}, has none of the features that "
            f"these weights need: {wrong}. Set them to 0, or name a model of nnUNetTrainerMSTKD"
        )
