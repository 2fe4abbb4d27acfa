"""How a dataset is converted (L1')."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from nnunetv2_mstkd.datasets.layouts.label_set import PRESETS, Preset
from nnunetv2_mstkd.errors import ConversionError

Storage = Literal["link", "symlink", "copy"]
STORAGES: tuple[Storage, ...] = get_args(Storage)
PRESET: Preset = "native"  # where none is chosen
FOLDS = 5  # nnU-Net's own number: what people train without a look at the splits


@dataclass(frozen=True)
class ConversionOptions:
    """What can be chosen.

    Args:
        preset: of the labels: "native" or "nnunet".
        storage: how images get into the dataset: "link" leaves them where they are and names them in dataset.json,
            "symlink" and "copy" fill imagesTr.
        splits: file of splits that are given, JSON or CSV; None to make them.
        partition: name of a partition that comes with the source, for one fold per part; None without.
        folds: that are made where neither is given.
        skip_faulty: leave out the cases that have a problem, rather than refuse the whole.
        workers: processes that check and write.

    Raises:
        ConversionError: if something is out of range, or contradicts something else.
    """

    preset: Preset = PRESET
    storage: Storage = "link"
    splits: Path | None = None
    partition: str | None = None
    folds: int = FOLDS
    skip_faulty: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        for name, value, known in (("preset", self.preset, PRESETS), ("storage", self.storage, STORAGES)):
            if value not in known:
                raise ConversionError(f"There is no {name} {value!r}; choose one of {', '.join(known)}")
        if self.splits is not None and self.partition is not None:
            raise ConversionError(f"Splits come from {self.splits} or from {self.partition!r}: give one of the two")
        if self.folds < 2:
            raise ConversionError(f"There must be at least 2 folds; given: {self.folds}")
        if self.workers < 1:
            raise ConversionError(f"There must be at least 1 process; given: {self.workers}")
