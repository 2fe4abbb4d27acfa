"""The output folder of a run: segmentations, the record of each case, the record of the run (L3)."""

import errno
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from batchgenerators.utilities.file_and_folder_operations import save_pickle

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import OutputError
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.inference.model_files import DATASET_FILE, PLANS_FILE
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.run_record import Manifest, Sidecar, write_json
from nnunetv2_mstkd.whole_file import whole_file

MANIFEST = "mstkd_run.json"
DONE, DONE_BEFORE, REFUSED, FAILED = "done", "done before", "refused", "failed"


class FolderOutput:
    """What `mstkd predict` writes.

    Args:
        folder: is made by `open`.
        model: that predicts.
        facts: of the run, for its record, which follows changes of them.
        part: of the cases that this run is to predict, where several share them; None: it predicts all.
    """

    def __init__(self, folder: Path, model: Model, facts: Mapping[str, Any], part: int | None) -> None:
        self.folder = folder
        self._model = model
        name = MANIFEST if part is None else f"{Path(MANIFEST).stem}_{part}.json"
        self.manifest = Manifest(folder / name, facts)

    def open(self, finished: Sequence[str], problems: Sequence[Problem]) -> None:
        """Make the folder, and note the cases that are finished already and those that cannot be predicted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # nnU-Net's evaluation and postprocessing seek these two beside segmentations
        write_json(self.folder / DATASET_FILE, self._model.dataset_json)
        write_json(self.folder / PLANS_FILE, self._model.plans.plans)
        self.manifest.write("running")
        for case in finished:
            self.manifest.add(case, DONE_BEFORE)
        for case in dict.fromkeys(problem.case for problem in problems):
            messages = [problem.message for problem in problems if problem.case == case]
            self.manifest.add(case or ".", REFUSED, messages=messages)

    def sidecar(self, case: str) -> Sidecar:
        """Return the record of a case."""
        return Sidecar(self.folder, case)

    def write(self, prediction: Prediction, case: str, identity: Mapping[str, Any], started: float) -> float:
        """Write a case, its record last, and return the seconds that it took.

        Args:
            prediction: to write.
            case: its name.
            identity: what it depends on.
            started: when its images were read, by `time.perf_counter`.
        """
        sidecar = self.sidecar(case)
        sidecar.remove()
        outputs = self._write_files(prediction, case)
        seconds = time.perf_counter() - started
        sidecar.write(identity, prediction, outputs, seconds)
        return seconds

    def _write_files(self, prediction: Prediction, case: str) -> list[str]:
        """Write a case's segmentation, and probabilities if it has them, and return the names of the files."""
        labels = self.folder / f"{case}{self._model.file_ending}"
        prediction.save(labels)
        if prediction.probabilities is None:
            return [labels.name]
        arrays, properties = self.folder / f"{case}.npz", self.folder / f"{case}.pkl"
        with whole_file(arrays) as temporary:
            np.savez_compressed(temporary, probabilities=prediction.probabilities)
        with whole_file(properties) as temporary:
            save_pickle(prediction.properties, str(temporary))
        return [labels.name, arrays.name, properties.name]

    def not_written(self, error: OSError) -> str:
        """Return in words that the folder could not be written, and what to do."""
        if is_disk_full(error):
            return (
                f"the disk of {self.folder} is full. Finished cases are whole. Free some space, then repeat the "
                f"command with --continue_prediction"
            )
        return f"{self.folder} cannot be written: {error}"


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error of writing, or what caused it, is a lack of space: the system said so, or it shows.

    It shows in what `Prediction.save` reads back, which is an OutputError.
    """
    while error is not None:
        if isinstance(error, OutputError) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False
