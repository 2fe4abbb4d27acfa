"""The files of a folder and of those in it, sorted by what their names end in (L1')."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Of images in general: where a model does not read such a file, it must not be passed over in silence.
_IMAGE_ENDING = re.compile(
    r"\.(nii|img|gipl|mnc)(\.gz|\.bz2|\.xz|\.zst)?$|\.(hdr|nrrd|nhdr|mha|mhd|mgz|mgh|dcm|dicom|ima|par|head|brik)$"
    r"|\.(tiff?|png|jpe?g|bmp|np[yz]|b2nd)$",
    re.IGNORECASE,
)
_SKIPPED_FOLDER = "derivatives"  # of BIDS: made from the images


@dataclass(frozen=True)
class ImageFile:
    """An image.

    Args:
        path: of the file.
        stem: its name without the ending.
    """

    path: Path
    stem: str


@dataclass(frozen=True)
class FolderListing:
    """What is in a folder, each in the order of the names.

    Args:
        images: whose ending is one of those asked for.
        foreign: images of other formats.
        ignored: other files, hidden ones, and folders that are skipped.
    """

    images: tuple[ImageFile, ...]
    foreign: tuple[ImageFile, ...]
    ignored: tuple[Path, ...]


def list_folder(folder: Path, file_endings: Sequence[str]) -> FolderListing:
    """List a folder with all folders in it, but for hidden ones and those named derivatives.

    Args:
        folder: where to start.
        file_endings: of the images that are asked for, as ".nii.gz"; the case does not matter.

    Raises:
        OSError: if a folder cannot be read.
    """
    images: list[ImageFile] = []
    foreign: list[ImageFile] = []
    ignored: list[Path] = []
    for path, is_skipped in _walk(folder, (folder.resolve(),)):
        stem, wanted = (None, False) if is_skipped else _split(path.name, file_endings)
        if stem is None:
            ignored.append(path)
        else:
            (images if wanted else foreign).append(ImageFile(path, stem))
    return FolderListing(tuple(images), tuple(foreign), tuple(ignored))


def _walk(folder: Path, ancestors: tuple[Path, ...]) -> Iterator[tuple[Path, bool]]:
    """Yield (path, whether it is skipped) for each file and each skipped folder."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            yield path, True
        elif not path.is_dir():
            yield path, False
        elif path.name.lower() == _SKIPPED_FOLDER or path.resolve() in ancestors:  # a link to where we come from
            yield path, True
        else:
            yield from _walk(path, (*ancestors, path.resolve()))


def _split(name: str, file_endings: Sequence[str]) -> tuple[str | None, bool]:
    """Return (name without ending, whether the ending is asked for); None if it is no image's."""
    wanted = max((len(e) for e in file_endings if name.lower().endswith(e.lower())), default=0)
    image = _IMAGE_ENDING.search(name)
    length = max(wanted, len(image[0]) if image else 0)  # .nii.gz rather than .gz
    return (name[:-length], length == wanted) if length else (None, False)
