"""A trained model as prediction needs it, from a model folder: ours or nnU-Net's own (L3)."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.label_handling.label_handling import LabelManager, determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.inference.environment import refuse_variable
from nnunetv2_mstkd.inference.model_folder import (
    BENCHMARK_FILE,
    find_trainer,
    fold_names,
    needed_subset,
    read_json,
    require_one_model,
)
from nnunetv2_mstkd.inference.safe_checkpoint import (
    CONFIGURATION,
    INIT_ARGS,
    MIRRORING_AXES,
    TRAINER_NAME,
    WEIGHTS,
    load_checkpoint,
)
from nnunetv2_mstkd.inference.safe_plans import require_safe_plans
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
        dataset_json: of the training data.
        network: with the first fold's weights.
        weights: state dicts, one per fold.
        weights_sha256: of the checkpoint files, by fold.
        mirroring_axes: that test-time augmentation may use; None: none.
        needs: what every case must have, the subset that a dedicated model was trained for; None for any other.
        handles_missing: whether it was trained for missing modalities.
    """

    folder: Path
    folds: tuple[str, ...]
    checkpoint: str
    trainer_name: str
    plans: PlansManager = field(repr=False)
    configuration: ConfigurationManager = field(repr=False)
    dataset_json: dict[str, Any] = field(repr=False)
    network: nn.Module = field(repr=False)
    weights: list[dict[str, Any]] = field(repr=False)
    weights_sha256: dict[str, str]
    mirroring_axes: tuple[int, ...] | None
    needs: ModalitySubset | None
    handles_missing: bool

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

    @cached_property
    def benchmark(self) -> Mapping[str, Any] | None:
        """What `mstkd_benchmark.json` of the model folder says; None where there is none."""
        return read_json(self.folder, BENCHMARK_FILE) if (self.folder / BENCHMARK_FILE).is_file() else None

    def confidence(self, subset: ModalitySubset) -> dict[str, Any] | None:
        """Return the model's own Dice by region for a subset, as its benchmark has it; None where there is none."""
        return ((self.benchmark or {}).get("subsets") or {}).get(str(subset))


def load_model(
    folder: Path,
    folds: Sequence[str | int] | None = None,
    checkpoint: str = "checkpoint_final.pth",
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
        ModelFolderError: if something is missing, or the folds do not belong together.
        CheckpointError: if a checkpoint is damaged.
        UntrustedCheckpointError, UntrustedPlansError: if the model could execute code; not with `trust_checkpoint`.
        ModalityError: if MSTKD_MODALITIES is set, which would mask every case.
    """
    refuse_variable("mstkd predict finds what each case has; to leave something out use --modalities")
    plans, dataset_json = (read_json(folder, name) for name in ("plans.json", "dataset.json"))
    if not trust_checkpoint:
        require_safe_plans(plans)
    names = fold_names(folder, folds, checkpoint)
    files = [folder / f"fold_{name}" / checkpoint for name in names]
    checkpoints = [load_checkpoint(file, trust=trust_checkpoint) for file in files]
    require_one_model(files, checkpoints)
    trainer_name = str(checkpoints[0][TRAINER_NAME])
    plans_manager = PlansManager(plans)
    configuration = plans_manager.get_configuration(checkpoints[0][INIT_ARGS][CONFIGURATION])
    trainer = find_trainer(trainer_name)
    modalities = Modalities.from_dataset_json(dataset_json)
    weights = [loaded[WEIGHTS] for loaded in checkpoints]
    axes = checkpoints[0].get(MIRRORING_AXES)
    return Model(
        folder=folder,
        folds=tuple(names),
        checkpoint=checkpoint,
        trainer_name=trainer_name,
        plans=plans_manager,
        configuration=configuration,
        dataset_json=dataset_json,
        network=_build_network(trainer, plans_manager, configuration, dataset_json, weights[0]),
        weights=weights,
        weights_sha256={name: sha256_of(file) for name, file in zip(names, files, strict=True)},
        mirroring_axes=None if axes is None else tuple(axes),
        needs=needed_subset(trainer, plans, modalities),
        handles_missing=issubclass(trainer, SubsetTrainer),
    )


def build_predictor(
    model: Model, device: Any, *, step_size: float = 0.5, mirroring: bool = True, on_device: bool = True, bar: bool
) -> nnUNetPredictor:
    """Return nnU-Net's own predictor with the model in it: sliding window, mirroring, averaging of folds."""
    with contextlib.redirect_stdout(open(os.devnull, "w")):  # it tells that a CPU is no GPU
        predictor = nnUNetPredictor(
            tile_step_size=step_size,
            use_mirroring=mirroring,
            perform_everything_on_device=on_device,
            device=device,
            allow_tqdm=bar,
        )
    predictor.manual_initialization(
        model.network,
        model.plans,
        model.configuration,
        model.weights,
        model.dataset_json,
        model.trainer_name,
        model.mirroring_axes,
    )
    return predictor


def _build_network(
    trainer: Any, plans: PlansManager, configuration: ConfigurationManager, dataset_json: dict, weights: dict[str, Any]
) -> nn.Module:
    network = trainer.build_network_architecture(
        plans,
        configuration,
        determine_num_input_channels(plans, configuration, dataset_json),
        plans.get_label_manager(dataset_json).num_segmentation_heads,
        enable_deep_supervision=False,
    )
    network.load_state_dict(weights)
    return network
