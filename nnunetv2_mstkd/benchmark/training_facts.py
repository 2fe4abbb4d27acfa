"""What holds for all cases that one training predicts, and where its records lie (L2)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.json_file import reading, write_json

TRAINING_FILE = "training.json"
RECORDS = "records"  # folders of a benchmark folder
PREDICTIONS = "predictions"

# what scores depend on, of a training; each record repeats it
_IDENTITY = ("weights_sha256", "plans_sha256", "dataset_json_sha256")

_SLUG_LENGTH = 120  # with the hash well below the 255 bytes that a name may have


def slug(text: str) -> str:
    """Return a name for a folder: equal texts give equal names, different texts different ones.

    What a file system may not like becomes "_", and a hash of the text then keeps the names apart.

    Example:
        >>> slug("MST-KD"), slug("MST-KD (ResEnc)")
        ('MST-KD', 'MST-KD_ResEnc_8f681f')
    """
    clean = re.sub(r"[^A-Za-z0-9.+_\-]+", "_", text).strip("._")[:_SLUG_LENGTH]
    return clean if clean == text != "" else f"{clean}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class TrainingFacts:
    """What holds for all cases of one training: a model folder with the fold, or the folds, that predict together.

    Args:
        title: of the model, the row of the report. Dedicated models of several subsets may share one.
        order: place of the row in the report, from 0.
        repeat: number of the repeat, from 0: trainings that differ by chance alone.
        folds: one; or several, whose predictions are averaged.
        folder: of the model.
        trainer: name.
        plans: name.
        configuration: name.
        checkpoint: name of the checkpoint files.
        weights_sha256: of the checkpoint files, by fold.
        plans_sha256: of plans.json.
        dataset_json_sha256: of dataset.json.
        trained_for_missing_modalities: whether it was.
        needs: subset that a dedicated model was trained for; None for any other model.
        parameters: of the network.
        inference: how it is applied: device, engine, step_size, mirroring, subsets_per_forward.
        versions: of the packages.
        hardware: what it ran on.
        cases: names of all that it is to predict; what lies in its folder beyond them is of an earlier plan.
    """

    title: str
    order: int
    repeat: int
    folds: tuple[str, ...]
    folder: str
    trainer: str
    plans: str
    configuration: str
    checkpoint: str
    weights_sha256: Mapping[str, str]
    plans_sha256: str
    dataset_json_sha256: str
    trained_for_missing_modalities: bool
    needs: str | None
    parameters: int
    inference: Mapping[str, Any]
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    cases: tuple[str, ...]

    @property
    def place(self) -> Path:
        """Where its records and predictions lie, below `records` and `predictions`.

        It depends on the model alone, so that titles can change: on the name of its folder, on a hash of where that is
        and of which checkpoint it is, and on the folds.
        """
        digest = hashlib.sha256(f"{self.folder}\n{self.checkpoint}".encode()).hexdigest()[:8]
        return Path(f"{slug(Path(self.folder).name)}_{digest}", self.fold_name)

    @property
    def name(self) -> str:
        """The training in a few words: "MST-KD fold 0", "MST-KD repeat 1 folds 0 1"."""
        repeat = f" repeat {self.repeat}" if self.repeat else ""
        return f"{self.title}{repeat} fold{'s' if len(self.folds) > 1 else ''} {' '.join(self.folds)}"

    @property
    def identity(self) -> dict[str, Any]:
        """What scores depend on, of a training; each record repeats it."""
        return {key: getattr(self, key) for key in _IDENTITY}

    @property
    def fold_name(self) -> str:
        """The folds in the name of a folder: "fold_0", of an ensemble "fold_0_1_2_3_4"."""
        return f"fold_{'_'.join(self.folds)}"

    def records(self, folder: Path) -> Path:
        """Return the folder of its records in the folder of a benchmark."""
        return folder / RECORDS / self.place

    def write(self, folder: Path) -> None:
        """Write training.json in the folder of a benchmark."""
        write_json(
            self.records(folder) / TRAINING_FILE, {**asdict(self), "folds": list(self.folds), "cases": list(self.cases)}
        )

    @classmethod
    def read(cls, file: Path) -> "TrainingFacts":
        """Read a training.json.

        Raises:
            BenchmarkError: if it is missing or damaged.
        """
        with reading(file) as content:
            own = {field.name: content[field.name] for field in fields(cls)}
            return cls(**{**own, "folds": tuple(content["folds"]), "cases": tuple(content["cases"])})


def training_files(folder: Path) -> list[Path]:
    """Return every training.json of a benchmark folder, sorted."""
    return sorted((folder / RECORDS).glob(f"*/*/{TRAINING_FILE}"))
