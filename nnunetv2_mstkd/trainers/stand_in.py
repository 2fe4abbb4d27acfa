"""Another network in the place of a trainer's own, for steps of nnU-Net's that run `self.network` (L3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stand_in(trainer: Any, network: Any) -> Iterator[None]:
    """Have a trainer run another network within the context, whatever happens there.

    Args:
        trainer: of nnU-Net.
        network: takes images (B, M, *patch), as the trainer's own.
    """
    own = trainer.network
    trainer.network = network
    try:
        yield
    finally:
        trainer.network = own
