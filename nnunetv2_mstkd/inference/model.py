"""A trained model as prediction needs it, from a model folder: ours or nnU-Net's own (L3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nnunetv2.utilities.label_handling.label_handling import LabelManager
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_mstkd.inference.environment import refuse_variable
from nnunetv2_mstkd.inference.model_description import damage_told, read_description, require_entries
from nnunetv2_mstkd.inference.model_files import FINAL_CHECKPOINT, checkpoint_file
from nnunetv2_mstkd.inference.model_folder import (
    find_trainer,
    fold_names,
    needed_subset,
    read_benchmark,
    require_one_model,
)
from nnunetv2_mstkd.inference.model_network import build_network, load_weights
from nnunetv2_mstkd.inference.preprocessor import take_as_told
from nnunetv2_mstkd.inference.safe_checkpoint import (
    CONFIGURATION,
    INIT_ARGS,
    MIRRORING_AXES,
    TRAINER_NAME,
    WEIGHTS,
    load_hashed_checkpoint,
)
from nnunetv2_mstkd.inference.trained_with import require_trained_with
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.trainers.subset_trainer import SubsetTrainer


@dataclass(frozen=True)
class Model:
    """A model folder, loaded.

    Args:
        folder: `<trainer>__<plans>__<configuration>`.
        folds: whose predictions are averaged, as in the folders' names.
        checkpoint: name of the checkpoint files.
        trainer_name: who trained it.
        plans: of the model.
        configuration: likewise.
        configuration_name: such as 3d_fullres, as the checkpoint has it.
        dataset_json: of the training data.
        network: with the first fold's weights.
        weights: state dicts, one per fold.
        weights_sha256: of the checkpoint files, by fold.
        mirroring_axes: that test-time augmentation may use; None: none.
        needs: what every case must have, the subset that a dedicated model was trained for; None for any other.
        handles_missing: whether it was trained for missing modalities.
        benchmark: what `mstkd_benchmark.json` of the folder says; None where there is none.
    """

    folder: Path
    folds: tuple[str, ...]
    checkpoint: str
    trainer_name: str
    plans: PlansManager = field(repr=False)
    configuration: ConfigurationManager = field(repr=False)
    configuration_name: str
    dataset_json: dict[str, Any] = field(repr=False)
    network: nn.Module = field(repr=False)
    weights: list[dict[str, Any]] = field(repr=False)
    weights_sha256: dict[str, str]
    mirroring_axes: tuple[int, ...] | None
    needs: ModalitySubset | None
    handles_missing: bool
    benchmark: Mapping[str, Any] | None = field(repr=False)

    @cached_property
    def modalities(self) -> Modalities:
        """The channels."""
        return Modalities.from_dataset_json(self.dataset_json)

    @cached_property
    def labels(self) -> LabelManager:
        """Labels or regions."""
        return self.plans.get_label_manager(self.dataset_json)

    @property
    def file_ending(self) -> str:
        """Of the training data, and of what is written."""
        return str(self.dataset_json["file_ending"])

    @property
    def is_cascade(self) -> bool:
        """Whether a case also needs the segmentation of a previous stage."""
        return self.configuration.previous_stage_name is not None

    @property
    def is_2d(self) -> bool:
        """Whether the network sees slices."""
        return len(self.configuration.patch_size) == 2

    def confidence(self, subset: ModalitySubset) -> dict[str, Any] | None:
        """Return the model's own Dice by region for a subset, as its benchmark has it; None where there is none."""
        return None if self.benchmark is None else self.benchmark.get("subsets", {}).get(str(subset))


def load_model(
    folder: Path,
    folds: Sequence[str | int] | None = None,
    checkpoint: str = FINAL_CHECKPOINT,
    *,
    trust_checkpoint: bool = False,
) -> Model:
    """Load a model folder.

    Args:
        folder: with plans.json, dataset.json and fold_X/<checkpoint>.
        folds: numbers, or "all"; None takes every fold that has the checkpoint, fold_all only if there is no other.
        checkpoint: name of the checkpoint files.
        trust_checkpoint: also load models that could execute code.

    Raises:
        ModelFolderError: if something is missing or damaged, or the folds do not belong together, or were trained with
            another plans.json or dataset.json.
        CheckpointError: if a checkpoint is damaged, or its weights do not fit the plans.
        UntrustedCheckpointError, UntrustedPlansError: if the model could execute code; not with `trust_checkpoint`.
        ModalityError: if MSTKD_MODALITIES is set, which would mask every case.
    """
    refuse_variable("mstkd predict finds what each case has; to leave something out use --modalities")
    plans, dataset_json = read_description(folder, trust=trust_checkpoint)
    names = fold_names(folder, folds, checkpoint)
    files = [checkpoint_file(folder, name, checkpoint) for name in names]
    loaded = [load_hashed_checkpoint(file, trust=trust_checkpoint) for file in files]
    checkpoints = [content for content, _ in loaded]
    require_one_model(files, checkpoints)
    trainer_name = str(checkpoints[0][TRAINER_NAME])
    configuration_name = str(checkpoints[0][INIT_ARGS][CONFIGURATION])
    trainer = find_trainer(trainer_name)
    axes = checkpoints[0].get(MIRRORING_AXES)
    with damage_told(folder):
        plans_manager = PlansManager(plans)
        configuration = plans_manager.get_configuration(configuration_name)
        require_entries(plans_manager, configuration, dataset_json)
        for file, content in zip(files, checkpoints, strict=True):
            require_trained_with(file, content, plans, dataset_json)
        needs = needed_subset(trainer, plans, Modalities.from_dataset_json(dataset_json))
        network = build_network(trainer, plans_manager, configuration, dataset_json)
    take_as_told(configuration)  # our predictors tell the network what each case has
    weights = [content[WEIGHTS] for content in checkpoints]
    load_weights(network, weights, files)
    return Model(
        folder=folder,
        folds=tuple(names),
        checkpoint=checkpoint,
        trainer_name=trainer_name,
        plans=plans_manager,
        configuration=configuration,
        configuration_name=configuration_name,
        dataset_json=dataset_json,
        network=network,
        weights=weights,
        weights_sha256={name: sha256 for name, (_, sha256) in zip(names, loaded, strict=True)},
        mirroring_axes=None if axes is None else tuple(axes),
        needs=needs,
        handles_missing=issubclass(trainer, SubsetTrainer),
        benchmark=read_benchmark(folder),
    )
