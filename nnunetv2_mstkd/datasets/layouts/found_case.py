"""The files of one case, and what is wrong with them (L1')."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nnunetv2_mstkd.cases.case import ChannelSource
from nnunetv2_mstkd.cases.case_fault import CaseFile, faults_of
from nnunetv2_mstkd.cases.contrast_word import enhanced_entity, native_entity
from nnunetv2_mstkd.cases.naming import parse_name
from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.datasets.layouts.path_pattern import PathMatch
from nnunetv2_mstkd.datasets.layouts.source import SourceCase
from nnunetv2_mstkd.datasets.layouts.source_files import SourceFile
from nnunetv2_mstkd.datasets.patient_name import told_patient
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.sequence_name import known_sequence


@dataclass
class FoundCase:
    """What was found of a case.

    Args:
        name: of the case.
        layout: of the dataset.
        images: each with what its path says.
        labels: index of the label pattern -> the files of it.
    """

    name: str
    layout: Layout
    images: list[tuple[SourceFile, PathMatch]] = field(default_factory=list)
    labels: dict[int, list[SourceFile]] = field(default_factory=lambda: defaultdict(list))

    @property
    def channels(self) -> Mapping[int, Sequence[tuple[SourceFile, int | None]]]:
        """Channel -> the files that hold it, each with the volume; more than one file is a fault."""
        found: dict[int, list[tuple[SourceFile, int | None]]] = defaultdict(list)
        for file, match in self.images:
            for channel, volume in self.layout.channels_of(match).items():
                found[channel].append((file, volume))
        return dict(sorted(found.items()))

    @property
    def label(self) -> tuple[int, SourceFile] | None:
        """The label that counts, with the index of its pattern; None if there is none."""
        best = min(self.labels, default=None)
        return None if best is None else (best, self.labels[best][0])

    @property
    def unused_labels(self) -> list[SourceFile]:
        """The labels of patterns that come after that of the label that counts."""
        return [file for index in sorted(self.labels)[1:] for file in self.labels[index]]

    @property
    def patient(self) -> str | None:
        """Whose scan it is: by its path, by the layout's expression, else by its name; None if these do not tell."""
        given = self._patients_in_paths
        if given:
            return given[0]
        return self.layout.patient_of(self.name) if self.layout.patient else told_patient(self.name)

    @property
    def _patients_in_paths(self) -> list[str]:
        return sorted({match.values["patient"] for _, match in self.images if "patient" in match.values})

    @property
    def folders(self) -> set[str]:
        """The folders of its images."""
        return {file.folder for file, _ in self.images}

    def source_case(self) -> SourceCase:
        """Return the case as the scan reports it; of doubled files it has the first."""
        num_volumes = len(self.layout.volumes) or None
        images = {
            channel: ChannelSource(files[0][0].file, files[0][1], num_volumes)
            for channel, files in self.channels.items()
        }
        label = self.label
        note = "" if label is None else self.layout.labels[label[0]].note
        label_file = label[1].file if label else None
        patient = self.patient
        return SourceCase(self.name, patient or self.name, images, label_file, note, patient is not None)

    def case_files(self) -> list[CaseFile]:
        """Return the images in the words of the checks that `mstkd predict` makes, too."""
        return [
            CaseFile(file.file, _shown(file), self.name, self.layout.channels_of(match)) for file, match in self.images
        ]

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the case."""
        yield from self._doubled()
        yield from faults_of(self.name, (), self.layout.modalities)  # those of the name
        if self.name.endswith("_0000"):
            yield "its name ends in _0000, as a channel's file does in nnU-Net: rename it"
        if len({match.wild for _, match in self.images}) > 1:
            yield f"its images lie in several places, {_listed(self.folders)}: two cases of one name? Rename one"
        if self.patient is None and self.layout.patient:
            yield f"the expression for the patient, {self.layout.patient!r}, does not fit its name"
        if len(self._patients_in_paths) > 1:
            yield f"it has images of several patients, {_listed(self._patients_in_paths)}: two cases of one name?"
        if self.layout.strict_names:
            yield from self._unclear_names()
        yield from self._label_faults()

    def _doubled(self) -> Iterator[str]:
        for channel, files in self.channels.items():
            if len(files) > 1:
                shown = _listed(_shown(file) for file, _ in files)
                yield f"{self.layout.modalities.names[channel]} is there more than once: {shown}. Leave one of them"

    def _unclear_names(self) -> Iterator[str]:
        for file, match in self.images:
            try:
                channels = {parse_name(file.stem, self.layout.modalities).channel}
            except CaseError as error:
                yield f"{_shown(file)}: {error}"
                continue
            if channels != set(self.layout.channels_of(match)):
                yield f"{_shown(file)}: its name is unclear"
            yield from self._contrast_doubts(file, channels)

    def _contrast_doubts(self, file: SourceFile, channels: set[int]) -> Iterator[str]:
        sequences = {known_sequence(self.layout.modalities.names[channel]) for channel in channels}
        if "T1" in sequences and (entity := enhanced_entity(file.stem)):
            yield f"{_shown(file)}: {entity!r} is unclear: a contrast agent is written as ce-gadolinium. Rename it"
        if "T1ce" in sequences and (entity := native_entity(file.stem)):
            yield f"{_shown(file)}: {entity!r} contradicts ce, which names a contrast agent. Rename it"

    def _label_faults(self) -> Iterator[str]:
        label = self.label
        if label is None:
            yield f"it has no label map; looked for {_listed(pattern.path for pattern in self.layout.labels)}"
            return
        index, file = label
        if len(self.labels[index]) > 1:
            yield f"it has several label maps, {_listed(map(_shown, self.labels[index]))}: keep one"
        elif self.layout.labels[index].beside and self.folders != {file.folder}:
            yield f"its label map, {_shown(file)}, does not lie beside its images in {_listed(self.folders)}"


def _shown(file: SourceFile) -> str:
    """Return a path as it is on the disk: with the ending, and with what a folder called like a file holds."""
    is_folder = file.file.parent.name.lower().startswith(f"{file.stem}.".lower())
    parts = file.file.parts[-2:] if is_folder else file.file.parts[-1:]
    return "/".join((file.folder, *parts) if file.folder else parts)


def _listed(texts: Iterator[str] | Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(text or "." for text in texts))
