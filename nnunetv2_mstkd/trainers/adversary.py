"""Discriminators with all that trains them (L3)."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from torch import GradScaler, Tensor, nn

from nnunetv2_mstkd.distillation.terms import ADVERSARIAL
from nnunetv2_mstkd.trainers.checkpoint import load_weights_into
from nnunetv2_mstkd.trainers.optimizer import optimize
from nnunetv2_mstkd.unwrap import unwrap

WEIGHT_DECAY = 1e-5  # that of MST-KD's paper and of RA-HVED's code


class Adversary:
    """Trains a discriminator with an optimiser of its own.

    Args:
        discriminator: on its device; the caller may wrap it for DDP later (`discriminator` is a plain attribute).
        learning_rate: initial; decays as nnU-Net's.
        num_epochs: of the training.
        scaler: where the networks that it judges have one (on GPUs).
    """

    def __init__(
        self, discriminator: nn.Module, learning_rate: float, num_epochs: int, scaler: GradScaler | None
    ) -> None:
        self.discriminator = discriminator
        self.optimizer = torch.optim.Adam(discriminator.parameters(), learning_rate, weight_decay=WEIGHT_DECAY)
        self.scheduler = PolyLRScheduler(self.optimizer, learning_rate, num_epochs)
        self.scaler = scaler

    def train_step(self, loss_of: Callable[[nn.Module], Tensor], autocast: AbstractContextManager) -> Tensor:
        """Train one step; return the loss.

        Args:
            loss_of: the loss of the discriminator, which it runs once (DDP), on what is detached from other networks.
            autocast: of the step.
        """
        self.optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = loss_of(self.discriminator)
        optimize(loss, self.optimizer, [self.discriminator], self.scaler)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return weights and the states of optimiser and scaler."""
        return {
            "weights": unwrap(self.discriminator).state_dict(),
            "optimizer_state": self.optimizer.state_dict(),
            "grad_scaler_state": self.scaler.state_dict() if self.scaler is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned.

        Raises:
            CheckpointError: if it is of a discriminator of another version of this package.
        """
        load_weights_into(unwrap(self.discriminator), state["weights"], "discriminator")
        self.optimizer.load_state_dict(state["optimizer_state"])
        if self.scaler is not None and state["grad_scaler_state"] is not None:
            self.scaler.load_state_dict(state["grad_scaler_state"])


class Adversaries(dict[str, Adversary]):
    """The adversaries of a training by term; there may be none.

    Args:
        discriminators: by term.
        device: of the training.
        learning_rate: of all, see Adversary.
        num_epochs: of the training.
        is_scaled: whether the networks that they judge have a GradScaler; then each has its own.
    """

    def __init__(
        self,
        discriminators: Mapping[str, nn.Module],
        device: torch.device,
        learning_rate: float,
        num_epochs: int,
        is_scaled: bool,
    ) -> None:
        for term, discriminator in discriminators.items():
            scaler = GradScaler(device.type) if is_scaled else None
            self[term] = Adversary(discriminator.to(device), learning_rate, num_epochs, scaler)

    def distribute(self, wrap: Callable[[nn.Module], nn.Module]) -> None:
        """Wrap the discriminators for DDP."""
        for adversary in self.values():
            adversary.discriminator = wrap(adversary.discriminator)

    def start_epoch(self, epoch: int) -> None:
        """Set the learning rates of an epoch, from 0."""
        for adversary in self.values():
            adversary.scheduler.step(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the entry of the training state."""
        return {"adversaries": {term: adversary.state_dict() for term, adversary in self.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned, from among the entries of a training state."""
        # checkpoints from before there could be several have one, or None, of the term "adversarial"
        states = state["adversaries"] if "adversaries" in state else {ADVERSARIAL: state["adversary_state"]}
        for term, adversary in self.items():
            adversary.load_state_dict(states[term])
