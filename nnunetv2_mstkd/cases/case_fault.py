"""What can be wrong with cases although each file's name is clear (L1')."""

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.cases.naming import SEPARATORS
from nnunetv2_mstkd.modalities import Modalities

# Files of these names stand beside the segmentations: a run writes them, nnU-Net's prediction and evaluation do.
_RESERVED = re.compile(r"(dataset|plans|predict_from_raw_data_args|summary|mstkd_run(_\d+)?)", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True)
class CaseFile:
    """A file of a case.

    Args:
        path: of the file.
        shown: the path in messages.
        case: name of the case.
        volumes: channel -> volume of a 4D file, None in a file of one channel.
        by_folder: whether the case is called as the folder, as the file's name is a modality's only.
    """

    path: Path
    shown: str
    case: str
    volumes: Mapping[int, int | None]
    by_folder: bool = False


Cases = Mapping[str, Sequence[CaseFile]]


def faults_of(name: str, files: Sequence[CaseFile], modalities: Modalities) -> Iterator[str]:
    """Yield what is wrong with one case."""
    for channels, doubled in _doubled(files).items():
        which = ", ".join(modalities.names[channel] for channel in channels)
        yield f"{which} is there more than once: {' and '.join(doubled)}. Leave one of them"
    folders = sorted({str(Path(file.shown).parent) for file in files})
    if len(folders) > 1:
        yield f"its files lie in several folders, {', '.join(folders)}: those of a case belong in one"
    if not name or not name.isprintable():
        yield "its name is empty, or has characters that cannot be printed: rename it"
    if _RESERVED.fullmatch(name):
        yield f"'{name}' is the name of another file beside the segmentations: rename it"


def faults_among(cases: Cases) -> Iterator[tuple[str, str]]:
    """Yield (case, what is wrong) where cases are likely to be parts of one patient, torn by their names."""
    yield from _look_alike(cases)
    yield from _named_in_two_ways(cases)
    yield from _numbered_by_channel(cases)


def _doubled(files: Sequence[CaseFile]) -> dict[tuple[int, ...], list[str]]:
    """Return channels -> the files that all hold them."""
    files_of: dict[int, list[str]] = defaultdict(list)
    for file in files:
        for channel in file.volumes:
            files_of[channel].append(file.shown)
    found = {tuple(shown) for shown in files_of.values() if len(shown) > 1}
    return {tuple(c for c in sorted(files_of) if tuple(files_of[c]) == shown): list(shown) for shown in sorted(found)}


def _look_alike(cases: Cases) -> Iterator[tuple[str, str]]:
    """Names that are equal but for case and separators: their outputs are one file on some file systems."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in cases:
        plain = unicodedata.normalize("NFKC", name).casefold()
        alike[re.sub(f"[{re.escape(SEPARATORS)}]+", "_", plain).strip("_")].append(name)
    for names in alike.values():
        for name in names if len(names) > 1 else ():
            others = ", ".join(repr(other) for other in names if other != name)
            yield name, f"its name and {others} differ in case or separators only: one patient or two? Rename"


def _named_in_two_ways(cases: Cases) -> Iterator[tuple[str, str]]:
    """`t1.nii.gz` beside `patient_t2.nii.gz`: the one is called as the folder, the other is not."""
    files_in: dict[Path, list[CaseFile]] = defaultdict(list)
    for file in itertools.chain.from_iterable(cases.values()):
        files_in[file.path.parent].append(file)
    for files in files_in.values():
        by_folder = [file.shown for file in files if file.by_folder]
        names = {file.case for file in files}
        for name in sorted(names) if by_folder and len(names) > 1 else ():
            yield name, f"{by_folder[0]} is called as its folder, other files there are not: name them alike"


def _numbered_by_channel(cases: Cases) -> Iterator[tuple[str, str]]:
    """`x_0000_t1`, `x_0001_t1ce`: the number is an index rather than a part of the case's name."""
    numbered: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for name, files in cases.items():
        if match := _NUMBERED.fullmatch(name):
            channels = [channel for file in files for channel in file.volumes]
            numbered[match[1]].append((name, channels == [int(match[2])]))
    for beginning, names in numbered.items():
        if (len(names) > 1 or beginning in cases) and all(is_index for _, is_index in names):
            for name, _ in names:
                yield name, f"_{name[-4:]} is the index of its only channel: is it a part of a case? Rename its file"
