"""A case: which file holds which of its channels (L1')."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


@dataclass(frozen=True)
class ChannelSource:
    """Where a channel is.

    Args:
        file: an image.
        volume: index of the channel in a 4D file; None for a file that holds this channel alone.
        num_volumes: that the 4D file must have; None where this is not known.
    """

    file: Path
    volume: int | None = None
    num_volumes: int | None = None


@dataclass(frozen=True)
class Case:
    """A case with at least one channel.

    Args:
        name: of the case, and of its output files.
        sources: channel index -> where it is; kept in channel order. What is not here is absent.

    Raises:
        CaseError: if there is no channel.
    """

    name: str
    sources: Mapping[int, ChannelSource]

    def __post_init__(self) -> None:
        if not self.sources:
            raise CaseError(f"{self.name}: no channel is present, but a case needs one at least")
        object.__setattr__(self, "sources", dict(sorted(self.sources.items())))

    @property
    def files(self) -> tuple[Path, ...]:
        """The distinct files, in channel order."""
        return tuple(dict.fromkeys(source.file for source in self.sources.values()))

    def by_file(self) -> dict[Path, dict[int, ChannelSource]]:
        """Return what each distinct file holds, in channel order: channel index -> where it is."""
        return {
            file: {channel: source for channel, source in self.sources.items() if source.file == file}
            for file in self.files
        }

    def subset(self, modalities: Modalities) -> ModalitySubset:
        """Return which modalities are present."""
        return ModalitySubset(modalities, tuple(channel in self.sources for channel in range(len(modalities))))

    def restricted(self, subset: ModalitySubset) -> "Case":
        """Return the case without the channels that are not in `subset`.

        Raises:
            CaseError: if nothing is left.
        """
        kept = {channel: source for channel, source in self.sources.items() if subset.present[channel]}
        if not kept:
            raise CaseError(f"{self.name}: has {self.subset(subset.modalities)}, and nothing of {subset}")
        return replace(self, sources=kept)
