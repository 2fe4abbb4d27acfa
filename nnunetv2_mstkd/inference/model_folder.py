"""A model folder: which parts it has, and who trained it (L3)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_mstkd.benchmark.confidence import CONFIDENCE_FILE
from nnunetv2_mstkd.distillation.settings import settings_from_plans
from nnunetv2_mstkd.errors import ModelFolderError
from nnunetv2_mstkd.inference.model_files import ALL_CASES, FOLD_PREFIX
from nnunetv2_mstkd.inference.results_folder import default_results, find_dataset_name, model_name, require_trained
from nnunetv2_mstkd.inference.safe_checkpoint import CONFIGURATION, INIT_ARGS, TRAINER_NAME
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.trainers.dedicated_trainer import fixed_subset
from nnunetv2_mstkd.trainers.subset_trainer import SubsetTrainer


def find_model_folder(dataset: str, trainer: str, plans: str, configuration: str) -> Path:
    """Return the folder that nnU-Net trains such a model in.

    Args:
        dataset: name or number.
        trainer: class name.
        plans: name of the plans.
        configuration: such as 3d_fullres.

    Raises:
        ModelFolderError: if nnUNet_results is not set, or there is no such dataset or folder.
    """
    results = default_results("or name the model folder with -m")
    folder = results / find_dataset_name(dataset) / model_name(trainer, plans, configuration)
    require_trained(folder)
    return folder


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return the content of a JSON file of a model folder.

    Raises:
        ModelFolderError: if it is not there, or no JSON object.
    """
    file = folder / name
    if not file.is_file():
        raise ModelFolderError(
            f"{folder} is no model folder of nnU-Net: it has no {name}. Name a folder such as "
            f"<nnUNet_results>/Dataset137_BraTS/nnUNetTrainerMSTKD__nnUNetPlans__3d_fullres"
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFolderError(f"{file} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelFolderError(f"{file} holds one {type(content).__name__}, not an object")
    return content


def read_benchmark(folder: Path) -> dict[str, Any] | None:
    """Return what a model folder's benchmark says; None where there is none.

    Raises:
        ModelFolderError: if it is no object of objects under "subsets".
    """
    if not (folder / CONFIDENCE_FILE).is_file():
        return None
    benchmark = read_json(folder, CONFIDENCE_FILE)
    subsets = benchmark.get("subsets", {})
    if not isinstance(subsets, dict) or not all(isinstance(regions, dict) for regions in subsets.values()):
        raise ModelFolderError(f'{folder / CONFIDENCE_FILE}: "subsets" must hold an object for each subset')
    return benchmark


def fold_names(folder: Path, folds: Sequence[str | int] | None, checkpoint: str) -> list[str]:
    """Return the folds to use, as in the names of their folders; others, as "fold_0_backup", are none.

    Args:
        folder: of the model.
        folds: numbers, or "all"; None takes every fold that has the checkpoint, fold_all only if there is no other.
        checkpoint: name of the checkpoint files.

    Raises:
        ModelFolderError: if a fold lacks the checkpoint, or none has it.
    """
    trained = _trained_folds(folder, checkpoint)
    if folds is None:
        chosen = [name for name in trained if name != ALL_CASES] or trained
        if not chosen:
            raise ModelFolderError(f"No fold in {folder} has a {checkpoint}: is the training finished?")
        return chosen
    asked = [str(fold) for fold in folds]
    if missing := [fold for fold in asked if fold not in trained]:
        raise ModelFolderError(
            f"Fold {', '.join(missing)} has no {checkpoint} in {folder}; there is: {trained or None}"
        )
    return asked


def _trained_folds(folder: Path, checkpoint: str) -> list[str]:
    names = (path.parent.name.removeprefix(FOLD_PREFIX) for path in folder.glob(f"{FOLD_PREFIX}*/{checkpoint}"))
    return sorted(name for name in names if name == ALL_CASES or (name.isascii() and name.isdigit()))


def require_one_model(files: Sequence[Path], checkpoints: Sequence[Mapping[str, Any]]) -> None:
    """Check that all folds were trained by one trainer in one configuration.

    Raises:
        ModelFolderError: if not; the message shows them.
    """
    kinds = {(c[TRAINER_NAME], c[INIT_ARGS][CONFIGURATION]) for c in checkpoints}
    if len(kinds) > 1:
        raise ModelFolderError(f"The folds do not belong together: {sorted(kinds)} in {[str(f) for f in files]}")


def find_trainer(name: str) -> type:
    """Return the class of a trainer, by nnU-Net's own search.

    Raises:
        ModelFolderError: if there is none, or it is something else than a trainer.
    """
    try:
        return recursive_find_trainer_class_by_name(name)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ModelFolderError(
            f"The model was trained by {name}, which nnU-Net does not find here. Install the package that brings it; "
            f"`mstkd doctor` checks ours."
        ) from error


def needed_subset(trainer: Any, plans: Mapping[str, Any], modalities: Modalities) -> ModalitySubset | None:
    """Return the subset that a dedicated model was trained for and cannot do without; None for any other model."""
    if not issubclass(trainer, SubsetTrainer):
        return None
    return fixed_subset(settings_from_plans(trainer.default_settings, plans), modalities)
