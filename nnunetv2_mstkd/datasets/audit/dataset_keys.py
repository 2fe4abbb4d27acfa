"""Whether dataset.json has what nnU-Net reads of it, labels aside (L1')."""

from collections.abc import Iterator, Mapping
from typing import Any

from nnunetv2_mstkd.datasets.audit.finding import Finding

_NEEDED = {  # nnU-Net's verify_dataset_integrity refuses a dataset without them
    "numTraining": "the number of training cases",
    "file_ending": 'that of images and label maps, as ".nii.gz"',
}


def check_keys(dataset_json: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield which keys are missing, or of no use to nnU-Net."""
    for key, told in _NEEDED.items():
        if key not in dataset_json:
            yield Finding("error", "dataset.json", f"has no {key}, which nnU-Net needs: {told}")
    ending = dataset_json.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not ending.startswith("."):
        yield Finding("error", "dataset.json", f'file_ending is {ending!r}: it must be as ".nii.gz", with the dot')
    if "channel_names" not in dataset_json and "modality" in dataset_json:
        yield Finding("error", "dataset.json", "has 'modality', as version 1 of nnU-Net: call it channel_names")
    names = dataset_json.get("channel_names")
    if isinstance(names, Mapping) and _is_out_of_order([str(key) for key in names]):
        told = 'nnU-Net takes the names as they are written, and files by number: it must be "0", "1", "2", ...'
        yield Finding("error", "dataset.json", f"channel_names has the keys {', '.join(names)}; {told}")


def _is_out_of_order(keys: list[str]) -> bool:
    return all(key.isdecimal() for key in keys) and keys != [str(channel) for channel in range(len(keys))]
