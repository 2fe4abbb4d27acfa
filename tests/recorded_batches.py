"""The same batches again and again, for runs that are to be compared."""

import copy
from collections.abc import Iterator
from typing import Any

from trainer_building import ITERATIONS


class RecordedBatches:
    """Lists of batches in place of nnU-Net's loaders, which draw from entropy.

    Args:
        training: num_epochs * ITERATIONS batches.
        validation: ITERATIONS batches, used in every epoch.
    """

    def __init__(self, training: list[dict], validation: list[dict]) -> None:
        self.training, self.validation = training, validation

    @classmethod
    def record(cls, trainer: Any, num_epochs: int) -> "RecordedBatches":
        """Draw from the trainer's own loaders; the trainer must be initialised."""
        training, validation = trainer.get_dataloaders()
        return cls(
            [copy.deepcopy(next(training)) for _ in range(num_epochs * ITERATIONS)],
            [copy.deepcopy(next(validation)) for _ in range(ITERATIONS)],
        )

    def feed(self, trainer: Any, stop_at: tuple[int, int] | None = None) -> None:
        """Give these batches to a trainer; raise InterruptedError at (epoch, iteration) `stop_at`."""

        def training() -> Iterator[dict]:
            while True:
                if (trainer.current_epoch, trainer.iteration) == stop_at:
                    raise InterruptedError
                yield copy.deepcopy(self.training[trainer.current_epoch * ITERATIONS + trainer.iteration])

        def validation() -> Iterator[dict]:
            while True:
                yield copy.deepcopy(self.validation[trainer.iteration])

        trainer.get_dataloaders = lambda: (training(), validation())
