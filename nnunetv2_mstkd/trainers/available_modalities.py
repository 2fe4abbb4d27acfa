"""What the cases of a training have (L3)."""

from collections.abc import Iterable, Sequence

import numpy as np

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.distillation.subset_draw import Codes, subset_code
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import ModalitySubset


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

    def complete_codes(self, batch_size: int) -> Codes:
        """Return what samples have that lack nothing, int64 (B,)."""
        return np.full(batch_size, self._complete, dtype=np.int64)

    def codes(self, cases: Sequence[str]) -> Codes:
        """Return what these cases have, int64 (B,)."""
        return np.array([self._codes[str(case)] for case in cases], dtype=np.int64)

    def is_complete(self, codes: Codes) -> np.ndarray:
        """Return bool (B,), True where a subset lacks nothing."""
        return codes == self._complete

    def subset(self, case: str) -> ModalitySubset:
        """Return what a case has.

        Raises:
            CaseError: if it is none of the preprocessed cases.
        """
        if case not in self.availability.present:
            raise CaseError(
                f"{case} is in the splits, but not among the preprocessed cases: preprocess it, or mend them"
            )
        return self.availability.of(case)

    def complete_cases(self, cases: Iterable[str]) -> list[str]:
        """Return those of the cases that lack nothing.

        Raises:
            CaseError: if one is none of the preprocessed cases.
        """
        return [case for case in cases if self.subset(case) == self.availability.modalities.all]

    def summary(self, cases: Sequence[str]) -> str:
        """Return how many of the cases are complete, and how many have which modality.

        Raises:
            CaseError: if one is none of the preprocessed cases.
        """
        has = Availability(self.availability.modalities, {case: self.subset(case) for case in cases})
        counts = ", ".join(f"{name} {count}" for name, count in has.counts().items())
        return f"{len(cases) - len(has.incomplete)} of {len(cases)} cases have all modalities ({counts})"
