"""A model that a benchmark scores, described without loading its weights (L3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.errors import BenchmarkError, ModelFolderError
from nnunetv2_mstkd.inference.benchmark.case_preparation import Preprocessing
from nnunetv2_mstkd.inference.model_description import damage_told, read_description, require_entries
from nnunetv2_mstkd.inference.model_files import PLANS_FILE, checkpoint_file
from nnunetv2_mstkd.inference.model_folder import find_trainer, needed_subset
from nnunetv2_mstkd.inference.safe_checkpoint import CONFIGURATION, INIT_ARGS, TRAINER_NAME, load_checkpoint
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.trainers.subset_trainer import SubsetTrainer


@dataclass(frozen=True)
class ModelDescription:
    """What a model folder says, but for the weights.

    Args:
        folder: `<trainer>__<plans>__<configuration>`.
        checkpoint: name of the checkpoint files.
        trainer: class name.
        configuration: such as 3d_fullres.
        plans: content of plans.json.
        dataset_json: likewise.
        needs: the subset of a dedicated model; None for any other.
        handles_missing: whether it was trained for missing modalities.
    """

    folder: Path
    checkpoint: str
    trainer: str
    configuration: str
    plans: dict[str, Any] = field(repr=False)
    dataset_json: dict[str, Any] = field(repr=False)
    needs: ModalitySubset | None
    handles_missing: bool

    @property
    def modalities(self) -> Modalities:
        """The channels."""
        return Modalities.from_dataset_json(self.dataset_json)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """What a case has to go through.

        Raises:
            ModelFolderError: if the plans are damaged.
        """
        with damage_told(self.folder):
            return Preprocessing(self.plans, self.configuration, self.dataset_json)

    def scores_on(self, subset: ModalitySubset) -> bool:
        """Return whether the model is scored on a subset: a dedicated one is on its own alone."""
        return self.needs is None or subset == self.needs


def describe_model(folder: Path, folds: Sequence[str], checkpoint: str, *, trust_checkpoint: bool) -> ModelDescription:
    """Read a model folder.

    Args:
        folder: of the model.
        folds: that have the checkpoint.
        checkpoint: name of the checkpoint files.
        trust_checkpoint: also take models that could execute code.

    Raises:
        ModelFolderError, CheckpointError: if something is missing or damaged.
        UntrustedPlansError, UntrustedCheckpointError: if the model could execute code; not with `trust_checkpoint`.
        BenchmarkError: if it is the second stage of a cascade.
    """
    plans, dataset_json = read_description(folder, trust=trust_checkpoint)
    trainer_name, configuration = _names(folder, folds, checkpoint, trust_checkpoint)
    if configuration not in plans.get("configurations", {}):
        raise ModelFolderError(f"{folder / PLANS_FILE} has no configuration {configuration!r}")
    if plans["configurations"][configuration].get("previous_stage") is not None:
        raise BenchmarkError(
            f"{folder.name} is the second stage of a cascade: it needs the labels of the first stage for every subset. "
            f"Benchmark the first stage, or a configuration that is no cascade"
        )
    trainer = find_trainer(trainer_name)
    described = ModelDescription(
        folder=folder,
        checkpoint=checkpoint,
        trainer=trainer_name,
        configuration=configuration,
        plans=plans,
        dataset_json=dataset_json,
        needs=needed_subset(trainer, plans, Modalities.from_dataset_json(dataset_json)),
        handles_missing=issubclass(trainer, SubsetTrainer),
    )
    with damage_told(folder):  # before any case is read
        manager = PlansManager(plans)
        require_entries(manager, manager.get_configuration(configuration), dataset_json)
        _ = described.preprocessing
    return described


def _names(folder: Path, folds: Sequence[str], checkpoint: str, trust: bool) -> tuple[str, str]:
    """Return trainer and configuration: as nnU-Net names the folder, else as a checkpoint has them."""
    parts = folder.resolve().name.split("__")
    if len(parts) == 3:
        return parts[0], parts[2]
    content = load_checkpoint(checkpoint_file(folder, folds[0], checkpoint), trust=trust)
    return str(content[TRAINER_NAME]), str(content[INIT_ARGS][CONFIGURATION])
