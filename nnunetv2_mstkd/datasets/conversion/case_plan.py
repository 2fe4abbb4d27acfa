"""What becomes of each file of a case (L1')."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from nnunetv2_mstkd.cases.case import ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.datasets.conversion.case_report import CaseReport
from nnunetv2_mstkd.datasets.conversion.entry import LABEL, Action, Entry
from nnunetv2_mstkd.datasets.conversion.file_ending import ending_of
from nnunetv2_mstkd.datasets.conversion.options import Storage
from nnunetv2_mstkd.datasets.layouts.label_set import TargetLabels
from nnunetv2_mstkd.modalities import Modalities

_ACTION: Mapping[Storage, Action] = {"link": "linked", "symlink": "symlinked", "copy": "copied"}


@dataclass(frozen=True)
class CasePlanner:
    """Plans the files of one case after the other.

    Args:
        modalities: of the dataset.
        labels: what becomes of the values.
        storage: how images get into the dataset.
        ending: of the dataset's files.
    """

    modalities: Modalities
    labels: TargetLabels
    storage: Storage
    ending: str

    def entries(self, report: CaseReport) -> tuple[Entry, ...]:
        """Return the files of a case without problems: its channels in order, then its label map."""
        channels = (self._channel(report, channel) for channel in range(len(self.modalities)))
        return (*channels, *self._label(report))

    def _channel(self, report: CaseReport, channel: int) -> Entry:
        case, name = report.case, self.modalities.names[channel]
        target = PurePosixPath("imagesTr", f"{case.name}_{channel:04d}{self.ending}")
        source = case.images.get(channel)
        if source is None:
            return self._absent(report, channel, target)
        facts = report.files[source.file]
        action = self._action(source, facts.geometry, facts.dimension, report.geometry)
        return Entry(
            case.name,
            case.patient,
            name,
            action,
            report.geometry,
            source,
            facts.sha256,
            None if action == "linked" else target,
        )

    def _absent(self, report: CaseReport, channel: int, target: PurePosixPath) -> Entry:
        """One volume of zeros stands for all absent channels of a case, but where everything is copied."""
        # the reader of .nii takes both, if it is told by dataset.json rather than by the ending that all files have
        ending = ".nii.gz" if (self.ending, self.storage) == (".nii", "link") else self.ending
        case, zeros = report.case, PurePosixPath("absent", f"{report.case.name}{ending}")
        return Entry(
            case.name,
            case.patient,
            self.modalities.names[channel],
            "absent",
            report.geometry,
            target=zeros if self.storage == "link" else target,
            zeros=zeros if self.storage == "symlink" else None,
            note=report.emptied.get(channel, ""),
        )

    def _label(self, report: CaseReport) -> Iterator[Entry]:
        case, label = report.case, report.label
        if case.label is None or label is None:  # it has a problem, then
            return
        source = ChannelSource(case.label)
        changed = {value: self.labels.values[value] for value in label.values if value != self.labels.values[value]}
        action = self._action(source, label.geometry, label.dimension, report.geometry)
        if self.labels.changes:
            action = "relabelled" if changed else "written"
        told = ", ".join(f"{native}->{value}" for native, value in changed.items())
        target = None if action == "linked" else PurePosixPath("labelsTr", f"{case.name}{self.ending}")
        yield Entry(
            case.name,
            case.patient,
            LABEL,
            action,
            report.geometry,
            source,
            label.sha256,
            target,
            note="; ".join(filter(None, (told, case.note))),
        )

    def _action(self, source: ChannelSource, own: Geometry, dimension: int, of_case: Geometry) -> Action:
        """Return what must be done with a file that goes into the dataset as it is, if it can."""
        # nnU-Net compares spacings more strictly than we do: a header that rounds is written as that of the case
        is_whole = source.volume is None and dimension == 3 and np.allclose(own.spacing, of_case.spacing)
        return _ACTION[self.storage] if is_whole and ending_of(source.file) == self.ending else "written"
