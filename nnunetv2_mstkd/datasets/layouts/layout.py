"""A layout: how a dataset names its files, what its labels mean, which scans are one patient's (L1')."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.path_pattern import PathMatch, PathPattern
from nnunetv2_mstkd.modalities import Modalities

NIFTI = (".nii.gz", ".nii")
# Not within a word: where any text may stand beside a modality, the t1 of "t1ce" is none.
_EDGE = r"(?:(?<![^\W_])|(?![^\W_]))"


@dataclass(frozen=True)
class LabelPattern:
    """Where label maps are.

    Args:
        path: a template with {case}, relative to the dataset and without the ending.
        note: what is to be kept on record of cases whose label is of this pattern.
        beside: whether it must lie in the folder of the case's images.
    """

    path: str
    note: str = ""
    beside: bool = False


@dataclass(frozen=True)
class Layout:
    """A row of the table of layouts, or what a user describes.

    Args:
        name: as `--layout` takes it.
        title: for people.
        images: template of the paths of images, with {case} and, but for 4D files, {modality}; path_pattern.py.
        case: regular expression of a case's name.
        channels: modality -> regular expressions, of which {modality} fits one, in the channel order that is written.
        labels: where label maps are, in order of preference.
        label_set: what their values mean; None where only the dataset itself can tell.
        patient: regular expression with one group, which is the patient, for the whole of a case's name; "" where each
            case is a patient, or, in what a user describes, names that are known tell them.
        volumes: of 4D files: the modality of each volume.
        endings: of images and labels.
        prediction_name: name of a case's file in the challenge, with {case}.
        case_folder: name of a case's folder, with {case}; "" where it has none, or another.
        excluded: regular expression for paths that are passed over; "" for none.
        test_part: regular expression for paths whose cases need no label: those without are passed over; "" for none.
        ignore_case: whether upper and lower case are the same in names.
        strict_names: whether names are of BIDS: those of images must be clear to `mstkd predict`, too, mean the same
            there, and be contradicted neither by their entities nor by sidecars.
        partitions: names of files with a partition of the patients.
    """

    name: str
    title: str
    images: str
    case: str
    channels: Mapping[str, tuple[str, ...]]
    labels: tuple[LabelPattern, ...]
    label_set: LabelSet | None
    patient: str = ""
    volumes: tuple[str, ...] = ()
    endings: tuple[str, ...] = NIFTI
    prediction_name: str = "{case}.nii.gz"
    case_folder: str = ""
    excluded: str = ""
    test_part: str = ""
    ignore_case: bool = True
    strict_names: bool = False
    partitions: tuple[str, ...] = ()

    @cached_property
    def modalities(self) -> Modalities:
        """The modalities, in the channel order that is written."""
        return Modalities(tuple(self.channels))

    @cached_property
    def image_pattern(self) -> PathPattern:
        """The pattern of images."""
        return self._pattern(self.images)

    @cached_property
    def label_patterns(self) -> tuple[PathPattern, ...]:
        """The patterns of labels, in order of preference."""
        return tuple(self._pattern(label.path) for label in self.labels)

    def _pattern(self, template: str) -> PathPattern:
        longest_first = sorted((text for texts in self.channels.values() for text in texts), key=len, reverse=True)
        before, after = (_EDGE if touching in template else "" for touching in ("*{modality}", "{modality}*"))
        modality = f"{before}(?:{'|'.join(longest_first)}){after}"
        placeholders = {"case": self.case, "modality": modality, "patient": "[^/]+?"}
        return PathPattern(template, placeholders, ignore_case=self.ignore_case)

    def channels_of(self, match: PathMatch) -> dict[int, int | None]:
        """Return channel -> volume for an image: None as the volume where the file holds one channel."""
        if self.volumes:
            return {self.modalities.channel(name): volume for volume, name in enumerate(self.volumes)}
        flags = re.IGNORECASE if self.ignore_case else 0
        text = match.values["modality"]
        fitting = [i for i, own in enumerate(self.channels.values()) if re.fullmatch("|".join(own), text, flags)]
        return dict.fromkeys(fitting)

    def is_case(self, name: str) -> bool:
        """Return whether a name is one of this layout's cases."""
        return re.fullmatch(self.case, name, re.IGNORECASE if self.ignore_case else 0) is not None

    def patient_of(self, case: str) -> str | None:
        """Return whose scan a case is; None if the expression for it does not fit the name."""
        if not self.patient:
            return case
        match = re.fullmatch(self.patient, case, re.IGNORECASE if self.ignore_case else 0)
        return match[1] if match else None
