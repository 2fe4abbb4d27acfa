"""The files of a dataset, by the paths that patterns are held against (L1')."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.errors import ConversionError


@dataclass(frozen=True)
class SourceFile:
    """An image or a label map.

    Args:
        file: where it is.
        path: relative to the dataset, with slashes, without the ending.
    """

    file: Path
    path: str

    @property
    def folder(self) -> str:
        """The folder of the path."""
        return self.path.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass
class SourceListing:
    """What is in a folder.

    Args:
        root: the folder.
        files: with one of the endings.
        others: files with other endings, hidden files and folders, and what lies beside the image of a folder that is
            called like a file.
        folders: relative paths of all folders.
        problems: folders that are called like a file, and hold no file or several.
    """

    root: Path
    files: list[SourceFile] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def list_source(folder: Path, endings: Sequence[str]) -> SourceListing:
    """List a folder and all folders in it, in the order of the names.

    A folder that is called like a file, as some archives unpack to (`x_t1.nii/0001_brain_t1.nii`), stands for the one
    image in it, under the folder's name.

    Args:
        folder: where to start.
        endings: of images, as ".nii.gz"; the case does not matter.

    Raises:
        ConversionError: if it is no folder, or cannot be read, or the path of an image is not UTF-8.
    """
    if not folder.is_dir():
        raise ConversionError(f"{folder} is no folder: give the one into which the dataset was unpacked")
    listing = SourceListing(folder)
    try:
        _list_into(listing, folder, "", endings, (folder.resolve(),))
    except OSError as error:
        raise ConversionError(f"{folder} cannot be read: {error}") from error
    for path in (folder, *(file.file for file in listing.files)):
        _require_utf8(path)
    return listing


def split_ending(name: str, endings: Sequence[str]) -> tuple[str, str] | None:
    """Return (name without ending, ending), the longest ending that fits; None if none does."""
    fitting = [ending for ending in endings if name.lower().endswith(ending)]
    longest = max(map(len, fitting), default=0)
    return (name[:-longest], name[-longest:]) if longest else None


def _require_utf8(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # at which SimpleITK would abort the process
        shown = printable(str(path))
        raise ConversionError(f"{shown}: its path is not UTF-8, so that it cannot be read. Rename it") from error


def _list_into(
    listing: SourceListing, folder: Path, path: str, endings: Sequence[str], ancestors: tuple[Path, ...]
) -> None:
    for entry in sorted(folder.iterdir()):
        name = split_ending(entry.name, endings)
        if entry.name.startswith("."):  # `._x.nii.gz` is what another system's archives hold besides x.nii.gz
            listing.others.append(entry)
        elif not entry.is_dir():
            if name:
                listing.files.append(SourceFile(entry, path + name[0]))
            else:
                listing.others.append(entry)
        elif name:
            _take_folder_for_file(listing, entry, path + name[0], endings)
        elif (resolved := entry.resolve()) not in ancestors:  # else a link to where we come from
            listing.folders.append(path + entry.name)
            _list_into(listing, entry, f"{path}{entry.name}/", endings, (*ancestors, resolved))


def _take_folder_for_file(listing: SourceListing, folder: Path, path: str, endings: Sequence[str]) -> None:
    entries = sorted(folder.iterdir())
    inside = [e for e in entries if split_ending(e.name, endings) and not e.name.startswith(".") and e.is_file()]
    if len(inside) == 1:
        listing.files.append(SourceFile(inside[0], path))
        listing.others += [entry for entry in entries if entry != inside[0]]
        return
    found = f"{len(inside)} of them: {', '.join(file.name for file in inside[:3])}" if inside else "none"
    message = f"{folder} is a folder that is called like an image; it must hold one image, but has {found}"
    listing.problems.append(Problem(path.rpartition("/")[2], message))
