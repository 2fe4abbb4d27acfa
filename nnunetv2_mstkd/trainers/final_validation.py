"""nnU-Net's final validation, which reads whole cases, on what each of them has (L3)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class, nnUNetBaseDataset

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.inference.modality_encoders import see_only, uncompiled
from nnunetv2_mstkd.modalities import ModalitySubset
from nnunetv2_mstkd.trainers.stand_in import stand_in


@contextmanager
def from_what_cases_have(trainer: Any) -> Iterator[None]:
    """Have nnU-Net's final validation predict each case from what it has, within the context.

    Args:
        trainer: a SubsetTrainer.
    """
    stock = trainer.dataset_class or infer_dataset_class(trainer.preprocessed_dataset_folder)
    see = partial(see_only, trainer.network)
    trainer.dataset_class = present_channels(stock, trainer.available.availability, see)
    try:
        with stand_in(trainer, uncompiled(trainer.network)):
            yield
    finally:
        trainer.dataset_class = stock
        see(trainer.modalities.all)


def present_channels(
    dataset_class: type[nnUNetBaseDataset],
    availability: Availability,
    see: Callable[[ModalitySubset], object] = lambda _: None,
) -> type[nnUNetBaseDataset]:
    """Return the dataset class with the absent channels of each case set to zero, whatever normalisation made of them.

    Batches are masked after the augmentation instead.

    Args:
        dataset_class: nnU-Net's.
        availability: of all cases of the dataset.
        see: is told what a case has when it is read, just before it is predicted.
    """
    lacking = {case: ~np.array(availability.of(case).present) for case in availability.incomplete}

    class PresentChannels(dataset_class):
        def load_case(self, identifier: str) -> Any:
            data, *others = super().load_case(identifier)
            see(availability.present.get(identifier, availability.modalities.all))
            if identifier in lacking:
                data = np.array(data[:])  # a copy: nnU-Net maps files
                data[lacking[identifier]] = 0
            return data, *others

    return PresentChannels
