"""What nnU-Net calls the files of a model folder (L3; standard library only)."""

from pathlib import Path

PLANS_FILE, DATASET_FILE = "plans.json", "dataset.json"
FINAL_CHECKPOINT = "checkpoint_final.pth"
FOLD_PREFIX = "fold_"  # of a fold's folder
ALL_CASES = "all"  # the fold that was trained on every case


def checkpoint_file(folder: Path, fold: str, checkpoint: str) -> Path:
    """Return where a checkpoint is.

    Args:
        folder: of the model.
        fold: number, or `ALL_CASES`.
        checkpoint: name of the file.
    """
    return folder / f"{FOLD_PREFIX}{fold}" / checkpoint
