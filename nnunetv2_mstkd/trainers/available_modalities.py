"""What the cases of a training have, batch by batch, and in nnU-Net's final validation (L3)."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.distillation.subset_draw import Codes, subset_code


class AvailableModalities:
    """What each case has, as subset codes.

    Args:
        availability: of all cases of the dataset.
    """

    def __init__(self, availability: Availability) -> None:
        self.availability = availability
        self.all_complete = not availability.incomplete
        self._complete = subset_code(availability.modalities.all)
        self._codes = {case: subset_code(subset) for case, subset in availability.present.items()}

    def codes(self, cases: Sequence[str]) -> Codes:
        """Return what these cases have, int64 (B,)."""
        if self.all_complete:
            return np.full(len(cases), self._complete, dtype=np.int64)
        return np.array([self._codes[str(case)] for case in cases], dtype=np.int64)

    def is_complete(self, codes: Codes) -> np.ndarray:
        """Return bool (B,), True where a subset lacks nothing."""
        return codes == self._complete

    def complete_cases(self, cases: Iterable[str]) -> list[str]:
        """Return those of the cases that lack nothing."""
        lacking = set(self.availability.incomplete)
        return [case for case in cases if case not in lacking]

    def summary(self, cases: Sequence[str]) -> str:
        """Return how many of the cases are complete, and how many have which modality."""
        has = Availability(self.availability.modalities, {case: self.availability.of(case) for case in cases})
        counts = ", ".join(f"{name} {count}" for name, count in has.counts().items())
        return f"{len(cases) - len(has.incomplete)} of {len(cases)} cases have all modalities ({counts})"


def present_channels(dataset_class: type[nnUNetBaseDataset], availability: Availability) -> type[nnUNetBaseDataset]:
    """Return the dataset class with the absent channels of each case set to zero, whatever normalisation made of them.

    For nnU-Net's final validation, which reads whole cases; batches are masked after the augmentation instead.
    """
    lacking = {case: ~np.array(availability.of(case).present) for case in availability.incomplete}

    class PresentChannels(dataset_class):
        def load_case(self, identifier: str) -> Any:
            data, *others = super().load_case(identifier)
            if identifier in lacking:
                data = np.array(data[:])  # a copy: nnU-Net maps files
                data[lacking[identifier]] = 0
            return data, *others

    return PresentChannels
