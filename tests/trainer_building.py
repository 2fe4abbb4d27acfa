"""Trainers as `nnUNetv2_train` builds them, with epochs of a few iterations."""

import copy
import importlib.util
from pathlib import Path
from typing import Any

import torch
from tiny_dataset import TinyDataset

OVERLAY = "nnunetv2.training.nnUNetTrainer.variants.mstkd"
ITERATIONS = 2  # of training, and of validation, in an epoch of a test


def build_trainer(
    trainer_class: type,
    dataset: TinyDataset,
    *,
    configuration: str = "3d_fullres",
    fold: int | str = 0,
    settings: dict | None = None,
    plans: dict | None = None,
    dataset_json: dict | None = None,
    continue_training: bool = False,
) -> Any:
    """Build a trainer as `nnUNetv2_train` does, with epochs of ITERATIONS iterations."""
    plans = copy.deepcopy(dataset.plans if plans is None else plans)
    if settings is not None:
        plans["mstkd"] = settings
    plans["continue_training"] = continue_training
    description = copy.deepcopy(dataset.dataset_json if dataset_json is None else dataset_json)
    trainer = trainer_class(plans, configuration, fold, description, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = ITERATIONS
    return trainer


def lookup_variables() -> dict[str, str]:
    """Return the variable that an editable install needs for nnU-Net to find our trainers."""
    if has_overlay():
        return {}
    import nnunetv2_mstkd.overlay

    return {"nnUNet_extTrainer": str(Path(nnunetv2_mstkd.overlay.__file__).parent / "trainers")}


def has_overlay() -> bool:
    """Return whether nnU-Net finds our trainers and our preprocessor with no variable set."""
    return importlib.util.find_spec(OVERLAY) is not None
