"""`mstkd benchmark` in this process, and what it leaves in its folder."""

from pathlib import Path

import numpy as np
import SimpleITK

from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.cli.main import main


def benchmark(output: Path, *options: object, report: bool = False) -> int:
    arguments = ["-o", output, "-device", "cpu", *options, *([] if report else ["--no-report"])]
    return main(["benchmark", *map(str, arguments)])


def records(output: Path) -> dict[str, CaseRecord]:
    """Every record of a benchmark, by "title/repeat/folds/case"."""
    found = {}
    for training in map(TrainingFacts.read, training_files(output)):
        for file in training.records(output).glob("*.json"):
            if file.name != "training.json":
                found[f"{training.title}/{training.repeat}/{'+'.join(training.folds)}/{file.stem}"] = CaseRecord.read(
                    file
                )
    return found


def scores(output: Path) -> dict:
    return {name: record.scores for name, record in records(output).items()}


def labels_in(file: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))
