"""The dataset whose images were predicted, as BIDS derivatives name it (L1')."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from nnunetv2_mstkd.errors import ConversionError

LINK_NAME = "sources"  # of the dataset in BIDS URIs


@dataclass(frozen=True)
class SourceImages:
    """A dataset of images, seen from its derivatives.

    Args:
        folder: of the dataset, as the user gave it.
        link: the way to it from the derivatives; None where that would tell paths of this computer.
        places: file or folder without symbolic links -> its place in the dataset.
    """

    folder: Path
    link: str | None
    places: Mapping[Path, PurePosixPath]

    @classmethod
    def of(cls, folder: Path, derivatives: Path) -> "SourceImages":
        """Return the dataset in a folder, for derivatives in another."""
        return cls(folder, _link(folder.resolve(), derivatives.resolve()), _places(folder.resolve()))

    def uri(self, image: Path) -> str | None:
        """Return an image as a BIDS URI; None if it is not of this dataset."""
        image = image.resolve()
        nearest = next((place for place in (image, *image.parents) if place in self.places), None)
        if nearest is None:
            return None
        path = self.places[nearest] / image.relative_to(nearest).as_posix()
        return f"bids:{LINK_NAME}:{quote(str(path))}"

    def require_any(self, images: Iterable[Path]) -> None:
        """Check that this is the dataset of the images; those of other folders may be among them.

        Raises:
            ConversionError: if none of them is in it.
        """
        all_images = list(images)
        if all_images and all(self.uri(image) is None for image in all_images):
            raise ConversionError(
                f"{self.folder} holds none of the images that were predicted, such as {all_images[0]}: give the folder "
                "that does by --sources, or leave it out"
            )


def _link(folder: Path, derivatives: Path) -> str | None:
    """Return the relative URI; None where it would climb to the root of the file system, or above the user's home."""
    try:
        common = Path(os.path.commonpath((folder, derivatives)))
    except ValueError:  # two drives
        return None
    home = Path(os.path.expanduser("~")).resolve()
    if common in (Path(common.anchor), *home.parents):
        return None
    return quote(Path(os.path.relpath(folder, derivatives)).as_posix())


def _places(folder: Path) -> dict[Path, PurePosixPath]:
    """Return where things are: the folder itself, and what its symbolic links stand for, as those of DataLad."""
    places = {folder: PurePosixPath()}
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = (path for name in (*folders, *sorted(files)) if (path := Path(parent, name)).is_symlink())
        for path in links:
            places.setdefault(path.resolve(), PurePosixPath(path.relative_to(folder).as_posix()))
    return places
