"""Where nnU-Net keeps what it trained: nnUNet_results, by dataset and model (L3)."""

from pathlib import Path

from nnunetv2.paths import nnUNet_results
from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name

from nnunetv2_mstkd.errors import ModelFolderError


def model_name(trainer: str, plans: str, configuration: str) -> str:
    """Return what nnU-Net calls the folder of a model."""
    return f"{trainer}__{plans}__{configuration}"


def default_results(otherwise: str) -> Path:
    """Return nnUNet_results.

    Args:
        otherwise: what a user can do who has none.

    Raises:
        ModelFolderError: if it is not set.
    """
    if not nnUNet_results.is_set():
        raise ModelFolderError(f"nnUNet_results is not set: export it, {otherwise}")
    return Path(nnUNet_results.get())


def find_dataset_name(dataset: str) -> str:
    """Return the name of a dataset of nnU-Net, given name or number.

    Raises:
        ModelFolderError: if there is no such dataset.
    """
    try:
        return str(maybe_convert_to_dataset_name(dataset))
    except (RuntimeError, ValueError) as error:
        raise ModelFolderError(f"nnU-Net knows no dataset {dataset!r} ({error})") from error


def require_trained(folder: Path) -> None:
    """Check that a model folder is there.

    Raises:
        ModelFolderError: if not; the message lists its neighbours.
    """
    if not folder.is_dir():
        there = sorted(path.name for path in folder.parent.glob("*__*__*"))
        raise ModelFolderError(f"There is no {folder}; trained there: {', '.join(there) or 'nothing'}")
