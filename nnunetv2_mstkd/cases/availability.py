"""Which modalities each case of a training set has: the table that travels with the preprocessed data (L1').

nnU-Net wants a file for every channel, so that an absent one is a volume of zeros there. The table says which these
are: they are not data.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.whole_file import whole_file

AVAILABILITY_FILE = "modality_availability.json"
_FORMAT = 1


@dataclass(frozen=True)
class Availability:
    """What each case has.

    Args:
        modalities: of the dataset.
        present: case -> what is there of it.
    """

    modalities: Modalities
    present: Mapping[str, ModalitySubset]

    @property
    def incomplete(self) -> tuple[str, ...]:
        """The cases that lack something, sorted."""
        complete = self.modalities.all
        return tuple(sorted(case for case, subset in self.present.items() if subset != complete))

    def of(self, case: str) -> ModalitySubset:
        """Return what a case has.

        Raises:
            CaseError: if the case is not in the table.
        """
        try:
            return self.present[case]
        except KeyError:
            raise CaseError(f"{case}: {AVAILABILITY_FILE} does not say which modalities it has") from None

    def counts(self) -> dict[str, int]:
        """Return how many cases have each modality, in channel order."""
        return {
            name: sum(subset.present[channel] for subset in self.present.values())
            for channel, name in enumerate(self.modalities)
        }


def write_availability(file: Path, availability: Availability) -> None:
    """Write the table, whole or not at all."""
    content = {
        "format": _FORMAT,
        "modalities": list(availability.modalities),
        "cases": {case: list(subset.names) for case, subset in sorted(availability.present.items())},
    }
    with whole_file(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_availability(file: Path, modalities: Modalities) -> Availability:
    """Read the table.

    Args:
        file: that `write_availability` wrote.
        modalities: of the dataset, whose names the table has to have as they are.

    Raises:
        CaseError: if it cannot be read, is of other modalities, or names none, a doubled or an unknown one for a case;
            the message says what to do.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        _require_format(content, modalities)
        present = {str(case): _subset(case, names, modalities) for case, names in content["cases"].items()}
    except (OSError, ValueError) as error:  # CaseError is a ValueError, and so are those of JSON and UTF-8
        raise CaseError(f"{file}: {error}. Delete it to have it found again from the data") from error
    return Availability(modalities, present)


def _require_format(content: Any, modalities: Modalities) -> None:
    is_table = isinstance(content, dict) and isinstance(content.get("cases"), dict)
    if not is_table or content.get("format") != _FORMAT:
        raise CaseError(f"it is no table of format {_FORMAT}")
    if content.get("modalities") != list(modalities):
        raise CaseError(f"it is of the modalities {content.get('modalities')}, the dataset has {list(modalities)}")


def _subset(case: str, names: Iterable[str], modalities: Modalities) -> ModalitySubset:
    try:
        return modalities.subset_of(names)
    except ModalityError as error:
        raise CaseError(f"case {case!r} has {names!r}: {error}") from error
