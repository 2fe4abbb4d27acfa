"""Modality names and subsets of them (L0: standard library only).

A modality is a channel of the dataset, called by the dataset's own name (`channel_names` of dataset.json) and kept in
the dataset's order. Aliases are resolved here, at the boundary, and nowhere else.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.sequence_name import SEQUENCE_BY_ALIAS, normalize, sequence_of

# What a benchmark's summary calls the mean over all subsets, and that over all regions.
RESERVED_NAME = "all"


@dataclass(frozen=True)
class Modalities:
    """The modalities of a dataset, in channel order.

    Args:
        names: one name per channel, unique. `from_dataset_json` makes names unique where a dataset repeats them.

    Raises:
        ModalityError: if there are fewer than two names, two names are equal, or one has a plus sign or is reserved.

    Example:
        >>> modalities = Modalities(("T1", "T1ce", "T2", "FLAIR"))
        >>> str(modalities.subset("t1gd,t2f"))
        'T1ce+FLAIR'
        >>> [str(s) for s in Modalities(("CT", "PET")).subsets()]
        ['CT', 'PET', 'CT+PET']
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) < 2:
            raise ModalityError(
                f"Missing modalities need at least two channels; this dataset has {len(self.names)}: {list(self.names)}"
            )
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise ModalityError(f"Modality names must be unique, but {repeated} occur more than once")
        # else "A+B" could be a modality or a subset, and "all" a subset or the mean over them
        for name in self.names:
            if "+" in name or name == RESERVED_NAME:
                raise ModalityError(
                    f"A modality cannot be called {name!r}: subsets are written with '+' between the names, and "
                    f"{RESERVED_NAME!r} is the mean over them. Rename the channel in dataset.json, say 'T1C' for 'T1+C'"
                )

    @classmethod
    def from_dataset_json(cls, dataset_json: Mapping) -> "Modalities":
        """Read the channel names of an nnU-Net dataset.json (`channel_names`, in old files `modality`).

        Names that a dataset gives to several channels ("MRI", "MRI") get their channel index: "MRI_0000", "MRI_0001".

        Raises:
            ModalityError: if the dataset names no channels, or fewer than two.
        """
        channels = dataset_json.get("channel_names") or dataset_json.get("modality")
        if not channels:
            raise ModalityError("dataset.json has no channel_names: it must name each channel, as nnU-Net demands")
        ordered = [str(channels[key]) for key in sorted(channels, key=int)]
        count = Counter(ordered)
        return cls(tuple(n if count[n] == 1 else f"{n}_{i:04d}" for i, n in enumerate(ordered)))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    @property
    def all(self) -> "ModalitySubset":
        """The subset that lacks nothing."""
        return ModalitySubset(self, (True,) * len(self))

    def subsets(self) -> tuple["ModalitySubset", ...]:
        """Return all 2^M - 1 non-empty subsets in canonical order: by size, then by channel order."""
        by_code = (self.subset_from_code(code) for code in range(1, 2 ** len(self)))
        return tuple(sorted(by_code, key=lambda subset: (len(subset), subset.channels)))

    def subset_from_code(self, code: int) -> "ModalitySubset":
        """Return the subset whose channel c is present where bit c of `code`, 1 <= code < 2^M, is set."""
        return ModalitySubset(self, tuple(bool(code >> channel & 1) for channel in range(len(self))))

    def fitting(self, name: str) -> tuple[int, ...]:
        """Return the channels that a name fits: as it is, else but for case and separators, else as an alias."""
        for spelling in (lambda n: n, normalize, sequence_of):
            found = tuple(i for i, own in enumerate(self.names) if spelling(own) == spelling(name))
            if found:
                return found
        return ()

    def channel(self, name: str) -> int:
        """Return the channel index of a modality given by its name or by an alias, whatever the case.

        Raises:
            ModalityError: if no channel, or more than one, fits; the message lists the choices.
        """
        found = self.fitting(name)
        if len(found) == 1:
            return found[0]
        if found:
            fitting = [self.names[i] for i in found]
            raise ModalityError(f"{name!r} fits several modalities: {fitting}. Use one of the exact names.")
        nearest = self.nearest(name)
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        raise ModalityError(f"Unknown modality {name!r}.{hint} {self.choices}")

    def nearest(self, name: str) -> str | None:
        """Return the modality or alias that a misspelt name is most like; None if it is like none of them."""
        sequences = {sequence_of(own) for own in self.names}
        spellings = {alias: alias for alias, sequence in SEQUENCE_BY_ALIAS.items() if sequence in sequences}
        spellings.update({normalize(own): own for own in self.names})
        close = difflib.get_close_matches(normalize(name), spellings, n=1)
        return spellings[close[0]] if close else None

    def subset(self, text: str) -> "ModalitySubset":
        """Return the subset that a user typed.

        Args:
            text: names or aliases separated by commas or plus signs ("T1ce,FLAIR"), or one 0 or 1 for each channel in
                channel order ("0101").

        Raises:
            ModalityError: if a name is unknown or doubled, the subset is empty, or the 0/1 string has another length.
        """
        tokens = [token.strip() for token in re.split(r"[,+]", text) if token.strip()]
        if len(tokens) == 1 and re.fullmatch("[0-9]+", tokens[0]) and tokens[0] not in self.names:
            return self._subset_from_bits(tokens[0])
        channels = [self.channel(token) for token in tokens]
        if not channels:
            raise ModalityError(f"No modality is named in {text!r}: at least one must be present. {self.choices}")
        if len(set(channels)) < len(channels):
            raise ModalityError(f"{text!r} names a modality twice. {self.choices}")
        return ModalitySubset(self, tuple(i in channels for i in range(len(self))))

    def _subset_from_bits(self, bits: str) -> "ModalitySubset":
        if set(bits) - set("01"):
            raise ModalityError(f"{bits!r} has digits other than 0 and 1. {self.choices}")
        if len(bits) != len(self):
            raise ModalityError(f"{bits!r} has {len(bits)} digits, but there are {len(self)} channels. {self.choices}")
        if "1" not in bits:
            raise ModalityError(f"{bits!r} leaves no modality: at least one must be present. {self.choices}")
        return ModalitySubset(self, tuple(bit == "1" for bit in bits))

    def subset_of(self, names: Iterable[str]) -> "ModalitySubset":
        """Return the subset of these names, as a file lists them: exactly the dataset's own, whatever is in them.

        Args:
            names: a list of names, in any order; neither aliases nor digits are resolved, and nothing is split.

        Raises:
            ModalityError: if a name is unknown, doubled or no text, if there is none, or if it is no list of names.
        """
        if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
            raise ModalityError(f"{names!r} is no list of names. {self._exact_names}")
        listed = list(names)
        if not listed:
            raise ModalityError(f"No modality is named: at least one must be present. {self._exact_names}")
        for name in listed:
            if not isinstance(name, str):
                raise ModalityError(f"{name!r} is no name of a modality: it has to be text. {self._exact_names}")
            if name not in self.names:
                raise ModalityError(f"Unknown modality {name!r}. {self._exact_names}")
        if len(set(listed)) < len(listed):
            raise ModalityError(f"{listed} names a modality twice. {self._exact_names}")
        return ModalitySubset(self, tuple(name in listed for name in self.names))

    @property
    def _exact_names(self) -> str:
        return f"The modalities are {list(self.names)}, and have to be written like this."

    @cached_property
    def choices(self) -> str:
        """One sentence that lists what may be given, for error messages."""
        listed = ", ".join(f"{name} (channel {i})" for i, name in enumerate(self.names))
        return f"The modalities are: {listed}; aliases such as t1gd or t2f work, or {len(self)} digits 0/1."

    def channel_files(self, present: Sequence[bool] | None = None) -> str:
        """Return "_0000 T1, _0001 T1ce, ...", the files that nnU-Net expects of a case (those where `present`)."""
        shown = present if present is not None else (True,) * len(self)
        return ", ".join(f"_{i:04d} {name}" for i, name in enumerate(self.names) if shown[i])


@dataclass(frozen=True)
class ModalitySubset:
    """A non-empty subset of a dataset's modalities.

    Args:
        modalities: what it is a subset of.
        present: one bool per channel, in channel order; at least one True.

    Raises:
        ModalityError: if the length differs from the number of channels, or nothing is present.
    """

    modalities: Modalities
    present: tuple[bool, ...]

    def __post_init__(self) -> None:
        if len(self.present) != len(self.modalities):
            count = f"{len(self.present)} flags for {len(self.modalities)} channels"
            raise ModalityError(f"{count}. {self.modalities.choices}")
        if not any(self.present):
            raise ModalityError(f"A subset must not be empty. {self.modalities.choices}")

    @property
    def channels(self) -> tuple[int, ...]:
        """The indices of the present channels, ascending."""
        return tuple(i for i, present in enumerate(self.present) if present)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the present modalities, in channel order."""
        return tuple(self.modalities.names[i] for i in self.channels)

    @property
    def absent_names(self) -> tuple[str, ...]:
        """The names of the absent modalities, in channel order."""
        return tuple(n for n, present in zip(self.modalities.names, self.present, strict=True) if not present)

    def __len__(self) -> int:
        return len(self.channels)

    def __str__(self) -> str:
        return "+".join(self.names)

    def issuperset(self, other: "ModalitySubset") -> bool:
        """Return whether every modality of `other` is present here too."""
        return set(self.channels) >= set(other.channels)
