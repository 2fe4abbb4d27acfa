"""Files that tell of an image in BIDS, and that images inherit from the folders above (L1')."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


class InheritedFiles:
    """Files of one kind, by the images that they tell of.

    Such a file lies in the image's folder or above, and has no entity in its name that the image lacks.

    Args:
        files: of a dataset; others than those of the kind, and hidden ones, are passed over.
        ending: of the kind, as ".json" or "dseg.tsv".
    """

    def __init__(self, files: Iterable[Path], ending: str) -> None:
        self._in_folder: dict[Path, list[tuple[set[str], Path]]] = defaultdict(list)
        for file in files:
            if file.name.endswith(ending) and not file.name.startswith("."):
                self._in_folder[file.parent].append((_entities(file), file))

    def of(self, image: Path) -> list[Path]:
        """Return the files that tell of an image, the nearest first: of each folder the one with the most entities."""
        entities = _entities(image)
        found = []
        for folder in image.parents:
            fitting = [(own, file) for own, file in self._in_folder.get(folder, ()) if own <= entities]
            if fitting:
                found.append(max(fitting, key=lambda pair: (len(pair[0]), pair[1].name))[1])
        return found


def _entities(file: Path) -> set[str]:
    """Return the entities of a name, and its suffix."""
    return set(file.name.split(".")[0].split("_"))
