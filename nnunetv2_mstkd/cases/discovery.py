"""Which cases a folder holds: each gets the channels that are there, or a problem that says why not (L1')."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.case_fault import CaseFile, Cases, faults_among, faults_of
from nnunetv2_mstkd.cases.folder_listing import FolderListing, ImageFile, list_folder
from nnunetv2_mstkd.cases.naming import SEPARATORS, is_label_name, parse_name
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.cases.volume_order import cases_of_files, volumes_of_channels
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities

Stray = tuple[ImageFile, str]  # an image that fits nothing, and why


@dataclass(frozen=True)
class Discovery:
    """What a folder holds.

    Args:
        cases: sorted by name; none of them has a problem.
        problems: what stops the others, and files that fit nothing.
        ignored: files that are no images, label maps, and folders that are skipped.
    """

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    ignored: tuple[Path, ...]


def find_cases(
    folder: Path,
    modalities: Modalities,
    file_endings: Sequence[str],
    channel_order: Sequence[str | None] | None = None,
) -> Discovery:
    """Find the cases of a folder by the names of the files; no file is opened.

    The files of a case lie in one folder: in `folder` itself or below. docs/how-to/predict.md shows the names.

    Args:
        folder: where to look.
        modalities: of the model.
        file_endings: of the images that the model reads, as ".nii.gz".
        channel_order: modality of each volume, where each image is a 4D file and a case; None in it passes one over.

    Raises:
        CaseError: if the folder cannot be listed.
        ModalityError: if the channel order names a modality that is unknown, or one twice.
    """
    listing = _list(folder, file_endings)
    images, labels = _parted(listing.images, modalities)
    foreign, foreign_labels = _parted(listing.foreign, modalities)
    if channel_order is None:
        files, strays = _named(images, folder, modalities)
    else:
        files, strays = _stacked(images, folder, volumes_of_channels(channel_order, modalities)), []
    strays += [(file, f"another format: this model reads {', '.join(file_endings)}") for file in foreign]
    cases = _grouped(files)
    faults = _faults(cases, strays, folder, modalities)
    if not cases and not faults:
        faults[""] = [f"{folder} has no image: looked for files that end in {', '.join(file_endings)}"]
    num_volumes = None if channel_order is None else len(channel_order)
    return Discovery(
        tuple(_case(name, cases[name], num_volumes) for name in sorted(cases) if name not in faults),
        tuple(Problem(name, fault) for name in sorted(faults) for fault in faults[name]),
        tuple(sorted([*listing.ignored, *(file.path for file in (*labels, *foreign_labels))])),
    )


def _list(folder: Path, file_endings: Sequence[str]) -> FolderListing:
    if not folder.is_dir():
        raise CaseError(f"{folder} is no folder: name the one that has the images")
    try:
        return list_folder(folder, file_endings)
    except OSError as error:
        raise CaseError(f"{folder} cannot be listed: {error}") from error


def _parted(files: Iterable[ImageFile], modalities: Modalities) -> tuple[list[ImageFile], list[ImageFile]]:
    """Return (images, label maps)."""
    parts: tuple[list[ImageFile], list[ImageFile]] = ([], [])
    for file in files:
        parts[is_label_name(file.stem, modalities)].append(file)
    return parts


def _named(images: Iterable[ImageFile], folder: Path, modalities: Modalities) -> tuple[list[CaseFile], list[Stray]]:
    """Read the names of files of one channel each."""
    files: list[CaseFile] = []
    strays: list[Stray] = []
    for image in images:
        try:
            name = parse_name(image.stem, modalities)
        except CaseError as error:
            strays.append((image, str(error)))
            continue
        case = name.case or _folder_name(image, folder)
        files.append(CaseFile(image.path, _shown(image, folder), case, {name.channel: None}, name.case is None))
    return files, strays


def _stacked(images: Sequence[ImageFile], folder: Path, volumes: dict[int, int]) -> list[CaseFile]:
    """Take each file for a case with these volumes."""
    names = cases_of_files(images, [_folder_name(image, folder) for image in images])
    return [
        CaseFile(image.path, _shown(image, folder), name, volumes) for image, name in zip(images, names, strict=True)
    ]


def _grouped(files: Iterable[CaseFile]) -> dict[str, list[CaseFile]]:
    cases: dict[str, list[CaseFile]] = defaultdict(list)
    for file in files:
        cases[file.case].append(file)
    return dict(cases)


def _case(name: str, files: Iterable[CaseFile], num_volumes: int | None) -> Case:
    sources = {
        channel: ChannelSource(file.path, volume, num_volumes)
        for file in files
        for channel, volume in file.volumes.items()
    }
    return Case(name, sources)


def _faults(cases: Cases, strays: Iterable[Stray], folder: Path, modalities: Modalities) -> dict[str, list[str]]:
    """Return what is wrong, by case; cases without faults are not in it."""
    faults: dict[str, list[str]] = defaultdict(list)
    for name, files in cases.items():
        for fault in faults_of(name, files, modalities):
            faults[name].append(fault)
    for name, fault in faults_among(cases):
        faults[name].append(fault)
    for image, message in strays:
        owner = _owner(image, cases, folder)
        faults[image.stem if owner is None else owner].append(f"{_shown(image, folder)}: {message}")
    return dict(faults)


def _owner(stray: ImageFile, cases: Cases, folder: Path) -> str | None:
    """Return the case that a stray most likely is a part of: it must not be predicted as if it lacked that."""
    beginning = [name for name in cases if _begins(stray.stem.casefold(), name.casefold())]
    if beginning:
        return max(beginning, key=len)
    here = {name for name, files in cases.items() for file in files if file.path.parent == stray.path.parent}
    is_patients_folder = stray.path.parent != folder or here == {_folder_name(stray, folder)}
    return here.pop() if len(here) == 1 and is_patients_folder else None


def _begins(stem: str, name: str) -> bool:
    return stem == name or (stem.startswith(name) and stem[len(name)] in SEPARATORS)


def _folder_name(image: ImageFile, folder: Path) -> str:
    return (folder.resolve() if image.path.parent == folder else image.path.parent).name


def _shown(image: ImageFile, folder: Path) -> str:
    return image.path.relative_to(folder).as_posix()
