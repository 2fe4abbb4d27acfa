"""One file of the dataset that is made: what it is, where it comes from, what is done (L1')."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from nnunetv2_mstkd.cases.case import ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry

Action = Literal["linked", "symlinked", "copied", "written", "relabelled", "absent"]
LABEL = "label"  # the part of a case that is no modality


@dataclass(frozen=True)
class Entry:
    """A file of a case.

    Args:
        case: its name.
        patient: whose it is.
        part: the modality, or "label".
        action: what is done: "linked" leaves it where it is; "written" means that SimpleITK reads and writes it;
            "relabelled" that values change as well; "absent" that zeros stand for it.
        geometry: what it is written with.
        source: where it comes from; None for what is absent.
        sha256: of the source's file.
        target: what is written, relative to the dataset's folder; None for what is linked.
        zeros: volume of zeros that the target is a symbolic link to, likewise; None if it is no such link.
        note: for the record.
    """

    case: str
    patient: str
    part: str
    action: Action
    geometry: Geometry
    source: ChannelSource | None = None
    sha256: str = ""
    target: PurePosixPath | None = None
    zeros: PurePosixPath | None = None
    note: str = ""

    @property
    def file(self) -> Path:
        """The file that it comes from."""
        if self.source is None:
            raise ValueError(f"{self.part} of {self.case} is absent")  # a mistake of ours
        return self.source.file

    @property
    def volume(self) -> int:
        """Which volume of the file it is."""
        return (self.source.volume or 0) if self.source else 0
