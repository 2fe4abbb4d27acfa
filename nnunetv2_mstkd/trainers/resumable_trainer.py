"""Checkpoints of a training, and how it is continued (L3)."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nnunetv2_mstkd.errors import CheckpointError
from nnunetv2_mstkd.trainers.checkpoint import (
    load_weights_into,
    read_checkpoint,
    require_same_run,
    set_earlier_run_aside,
    write_checkpoint,
)
from nnunetv2_mstkd.trainers.settings_trainer import SettingsTrainer
from nnunetv2_mstkd.unwrap import unwrap


class ResumableTrainer(SettingsTrainer):
    """Can be killed at any time and continued. Not a trainer to ask for by name.

    Subclasses add to `training_state` what they train beside the network.
    """

    current_epoch: int
    save_every: int
    my_init_kwargs: dict[str, Any]
    has_training_state: bool = True  # False once a checkpoint is loaded that holds the student only

    def on_train_start(self) -> None:
        """Start or continue a training; what an earlier one in the folder left is set aside."""
        if not self.has_training_state and self.current_epoch < self.num_epochs:
            raise CheckpointError(
                f"Cannot continue at epoch {self.current_epoch}: the checkpoint holds the student only. Continue from "
                f"checkpoint_latest.pth, or start anew without --c."
            )
        self.save_every = min(self.save_every, max(1, self.num_epochs // 10))
        super().on_train_start()
        is_new = self.current_epoch == 0 and self.local_rank == 0
        if is_new and (found := set_earlier_run_aside(Path(self.output_folder))):
            self.print_to_log_file(f"Checkpoints of an earlier run are renamed to previous_*: {found}")

    def on_epoch_end(self) -> None:
        """End an epoch; after the first there is a checkpoint_latest to continue from, whatever the schedule."""
        save_every = self.save_every
        if self.current_epoch == 0:
            self.save_every = 1
        super().on_epoch_end()
        self.save_every = save_every

    def training_state(self) -> dict[str, Any]:
        """Return what training needs beyond the student's weights; subclasses add their own."""
        return {
            "optimizer_state": self.optimizer.state_dict(),
            "grad_scaler_state": self.grad_scaler.state_dict() if self.grad_scaler is not None else None,
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `training_state` returned."""
        self.optimizer.load_state_dict(state["optimizer_state"])
        if self.grad_scaler is not None and state["grad_scaler_state"] is not None:
            self.grad_scaler.load_state_dict(state["grad_scaler_state"])

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load the student's weights.

        Raises:
            CheckpointError: if they are of a network of another version of this package.
        """
        load_weights_into(unwrap(self.network), weights, "network")

    def save_checkpoint(self, filename: str) -> None:
        """Write a checkpoint with nnU-Net's keys; `network_weights` is the student alone."""
        if self.local_rank != 0:
            return
        if self.disable_checkpointing:
            self.print_to_log_file("No checkpoint written, checkpointing is disabled")
            return
        checkpoint = {
            "network_weights": unwrap(self.network).state_dict(),
            "logging": self.logger.get_checkpoint(),
            "_best_ema": self._best_ema,
            "current_epoch": self.current_epoch + 1,
            "init_args": self.my_init_kwargs,
            "trainer_name": self.__class__.__name__,
            "inference_allowed_mirroring_axes": self.inference_allowed_mirroring_axes,
        }
        # a run continued without training state has none to save: what it holds is random
        write_checkpoint(filename, checkpoint, self.training_state() if self.has_training_state else None)

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Load a checkpoint of this trainer and these plans, to continue or to validate.

        Raises:
            CheckpointError: if it is damaged, or of another trainer, plan or settings.
        """
        checkpoint, state = read_checkpoint(filename_or_checkpoint, self.device)
        defaults = asdict(self.default_settings)
        require_same_run(checkpoint, filename_or_checkpoint, self.__class__.__name__, self.my_init_kwargs, defaults)
        if not self.was_initialized:
            self.initialize()
        self.load_weights(checkpoint["network_weights"])
        self.my_init_kwargs = checkpoint["init_args"]
        self.current_epoch = checkpoint["current_epoch"]
        self.logger.load_checkpoint(checkpoint["logging"])
        self._best_ema = _best_ema(checkpoint)
        self.inference_allowed_mirroring_axes = checkpoint["inference_allowed_mirroring_axes"]
        self.has_training_state = state is not None
        if state is not None:
            self.load_training_state(state)


def _best_ema(checkpoint: Mapping[str, Any]) -> float | None:
    """Return the best EMA Dice so far; nnU-Net writes checkpoint_latest before it updates its own record of it."""
    known = [value for value in (checkpoint["_best_ema"], *checkpoint["logging"]["ema_fg_dice"]) if value is not None]
    return float(np.nanmax(known)) if known else None
