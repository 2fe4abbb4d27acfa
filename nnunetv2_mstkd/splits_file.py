"""nnU-Net's splits_final.json: how it is called, and what is in it (L0: standard library only)."""

from typing import Any

SPLITS_FILE = "splits_final.json"  # in the preprocessed dataset; nnU-Net copies it there from the raw one
Splits = list[dict[str, list[str]]]  # "train" and "val" of each fold: names of cases


def is_fold(content: Any) -> bool:
    """Return whether what a JSON file holds is a fold: names of cases in `train` and in `val`."""
    return isinstance(content, dict) and all(
        isinstance(content.get(side), list) and all(isinstance(case, str) for case in content[side])
        for side in ("train", "val")
    )
