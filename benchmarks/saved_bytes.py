"""Bytes that autograd keeps in a training step, and the modules that a trainer holds beside its network."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from nnunetv2_mstkd.planning.saved_tensors import SavedTensors
from nnunetv2_mstkd.trainers.adversary import Adversary
from nnunetv2_mstkd.unwrap import unwrap


def saved_bytes(trainer: Any, batch: dict[str, Any]) -> int:
    """Return the bytes that autograd keeps in a training step for its backward passes, weights excepted.

    Args:
        trainer: that has made a step: the first one also measures the gradients of the terms, by a pass of its own.
        batch: as `train_step` takes it.
    """
    with SavedTensors(unwrap(trainer.network), *modules_beside(trainer)) as saved:
        trainer.train_step(batch)
    return saved.num_bytes


def modules_beside(trainer: Any) -> list[nn.Module]:
    """Return the modules other than the network that a trainer holds, those within its helpers included."""
    return list(_modules(vars(trainer), depth=3, without=trainer.network))


def _modules(value: Any, depth: int, without: nn.Module) -> Iterator[nn.Module]:
    if isinstance(value, nn.Module):
        if value is not without:
            yield value
    elif isinstance(value, Adversary):
        yield value.discriminator
    elif isinstance(value, dict | list | tuple) and depth:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _modules(part, depth - 1, without)
    elif depth and type(value).__module__.startswith("nnunetv2_mstkd"):  # such as the teacher with its network
        yield from _modules(getattr(value, "__dict__", {}), depth - 1, without)
