"""4D files: which volume is which channel, and which file is which case (L1')."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_mstkd.cases.folder_listing import ImageFile
from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.modalities import Modalities


def volumes_of_channels(channel_order: Sequence[str | None], modalities: Modalities) -> dict[int, int]:
    """Return channel -> volume.

    Args:
        channel_order: modality of each volume, a name or an alias; None for a volume that is passed over.
        modalities: of the model.

    Raises:
        ModalityError: if a name is unknown or comes twice, or there is none.
    """
    told = ",".join("-" if name is None else name for name in channel_order)
    volumes: dict[int, int] = {}
    for volume, name in enumerate(channel_order):
        if name is None:
            continue
        channel = modalities.channel(name)
        if channel in volumes:
            raise ModalityError(f"The channel order {told!r} names {modalities.names[channel]} twice")
        volumes[channel] = volume
    if not volumes:
        raise ModalityError(f"The channel order {told!r} names no modality. {modalities.choices}")
    return volumes


def cases_of_files(files: Sequence[ImageFile], names_of_folders: Sequence[str]) -> list[str]:
    """Return each 4D file's case: its own name, or its folder's where several folders have a file of this name.

    Args:
        files: one per case.
        names_of_folders: of the folder of each file.
    """
    folders: dict[str, set[Path]] = defaultdict(set)
    for file in files:
        folders[file.stem.casefold()].add(file.path.parent)
    is_shared = [len(folders[file.stem.casefold()]) > 1 for file in files]
    return [name if s else file.stem for file, name, s in zip(files, names_of_folders, is_shared, strict=True)]
