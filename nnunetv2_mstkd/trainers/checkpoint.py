"""Checkpoints: written whole or not at all, the student apart from what only training needs (L3).

    checkpoint_latest.pth                  student and training state
    checkpoint_best.pth                    student
    checkpoint_final.pth                   student
    checkpoint_final_training_state.pth    training state, so that `--c` works on a finished run too

The first three have nnU-Net's keys, of which prediction reads a few; `training_state` is ours.
"""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.distillation.settings import SECTION, stored_settings
from nnunetv2_mstkd.errors import CheckpointError
from nnunetv2_mstkd.whole_file import whole_file

TRAINING_STATE = "training_state"
# nnU-Net's names
_FINAL, _BEST, _LATEST = "checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_latest.pth"


def write_checkpoint(filename: str, checkpoint: Mapping[str, Any], training_state: Mapping[str, Any] | None) -> None:
    """Write a checkpoint, its training state (if there is one) in it or beside it as the module's docstring says."""
    path = Path(filename)
    if path.name not in (_FINAL, _BEST):
        save_atomically({**checkpoint, TRAINING_STATE: training_state}, path)
        return
    if path.name == _FINAL and training_state is not None:
        save_atomically(dict(training_state), training_state_file(path))  # first: the checkpoint is what counts
    save_atomically(dict(checkpoint), path)


def set_earlier_run_aside(folder: Path) -> list[str]:
    """Rename what an earlier run in this folder would be continued from, and return the names.

    nnU-Net's `--c` prefers a checkpoint_final: one of an earlier run would win over the latest of a killed new one.
    """
    names = (_FINAL, training_state_file(Path(_FINAL)).name, _LATEST, _BEST)
    found = [name for name in names if (folder / name).is_file()]
    for name in found:
        os.replace(folder / name, folder / f"previous_{name}")
    return found


def read_checkpoint(filename: str, device: torch.device) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a checkpoint and its training state, None where it has none.

    Raises:
        CheckpointError: if the file is not a whole checkpoint.
    """
    path = Path(filename)
    checkpoint = _load(path, device)
    if not isinstance(checkpoint, dict) or "network_weights" not in checkpoint:
        raise CheckpointError(f"{path} is not a checkpoint of nnU-Net: it has no network_weights")
    beside = training_state_file(path)
    state = checkpoint.pop(TRAINING_STATE, None)
    if state is None and path.name == _FINAL and beside.is_file():
        state = _load(beside, device)
    return checkpoint, state


def load_weights_into(module: nn.Module, weights: Mapping[str, Tensor], what: str) -> None:
    """Load a checkpoint's weights into a bare module.

    Args:
        module: that this version of the package makes.
        weights: its state dict, of the checkpoint.
        what: the module is, for the message.

    Raises:
        CheckpointError: if they are of another architecture.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:  # torch's, with a line for each weight
        raise CheckpointError(
            f"The {what} of the checkpoint is not built as this version of nnunetv2_mstkd builds it for these plans. "
            f"Continue with the version that wrote the checkpoint, or start anew without --c. {str(error)[:500]}"
        ) from error


def training_state_file(checkpoint: Path) -> Path:
    """Return where the training state of a checkpoint is kept if it is not in it."""
    return checkpoint.with_name(f"{checkpoint.stem}_training_state.pth")


def save_atomically(payload: Mapping[str, Any], path: Path) -> None:
    """Save with torch, whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        torch.save(payload, file)


def require_same_run(
    checkpoint: Mapping[str, Any],
    filename: str,
    trainer_name: str,
    init_args: Mapping[str, Any],
    default_settings: Mapping[str, Any],
) -> None:
    """Check that a checkpoint was written by this trainer with these plans.

    Settings that the checkpoint does not know yet are taken as what was done before them.

    Raises:
        CheckpointError: if not; the message shows both sides.
    """
    theirs = checkpoint.get("init_args", {})
    pairs = {
        "trainer": (checkpoint.get("trainer_name"), trainer_name),
        "plans": (_plans(theirs).get("plans_name"), _plans(init_args).get("plans_name")),
        "dataset": (_plans(theirs).get("dataset_name"), _plans(init_args).get("dataset_name")),
        "configuration": (theirs.get("configuration"), init_args.get("configuration")),
        "planned configuration": (_configuration(theirs), _configuration(init_args)),
        f"plans section {SECTION!r}": (
            stored_settings(_plans(theirs), default_settings),
            {**default_settings, **_plans(init_args).get(SECTION, {})},
        ),
    }
    for what, (stored, current) in pairs.items():
        if stored != current:
            raise CheckpointError(
                f"{filename} cannot be loaded: its {what} is {_differing(stored, current)}, that of this run is "
                f"{_differing(current, stored)}. Continue with the trainer, plans and settings that wrote it, or "
                f"start anew without --c, under a plans name of its own."
            )


def _plans(init_args: Mapping[str, Any]) -> Mapping[str, Any]:
    return init_args.get("plans") or {}


def _configuration(init_args: Mapping[str, Any]) -> Any:
    return _plans(init_args).get("configurations", {}).get(init_args.get("configuration"))


def _differing(mine: Any, other: Any) -> str:
    if isinstance(mine, Mapping) and isinstance(other, Mapping):
        return repr({key: value for key, value in mine.items() if other.get(key) != value})
    return repr(mine)


def _load(path: Path, device: torch.device) -> Any:
    try:
        # our own run's file, with objects (device, numpy scalars) in it that weights_only does not admit
        return torch.load(path, map_location=device, weights_only=False)
    except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): it is damaged or no checkpoint") from error
