"""The output folder of a run: segmentations, the record of each case, the record of the run (L3)."""

import errno
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from batchgenerators.utilities.file_and_folder_operations import save_pickle

from nnunetv2_mstkd.cases.problem import Problem
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

    def open(self, finished: Sequence[str], problems: Sequence[Problem]) -> list[str]:
        """Make the folder, and note the cases that are finished already and those that cannot be predicted.

        Returns:
            what was taken away of the latter, a line for each.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        # nnU-Net's evaluation and postprocessing seek these two beside segmentations
        write_json(self.folder / DATASET_FILE, self._model.dataset_json)
        write_json(self.folder / PLANS_FILE, self._model.plans.plans)
        self.manifest.write("running")
        for case in finished:
            self.manifest.add(case, DONE_BEFORE)
        messages: dict[str, list[str]] = {}
        for problem in problems:
            messages.setdefault(problem.case, []).append(problem.message)
        removed = {case: self.give_up(case, REFUSED, told) for case, told in messages.items()}
        return [f"{case}: {told}" for case, told in removed.items() if told]

    def give_up(self, case: str, status: str, messages: Sequence[str]) -> str | None:
        """Note a case that is not predicted, and take away what an earlier run wrote of it: it would look sound.

        Args:
            case: its name; "" for the whole folder.
            status: REFUSED or FAILED.
            messages: why.

        Returns:
            what was taken away, in words; None if nothing was.
        """
        removed = self.sidecar(case).remove() if case else []
        told = f"removed {', '.join(removed)}, of an earlier run" if removed else None
        self.manifest.add(case or ".", status, messages=[*messages, *([told] if told else [])])
        return told

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
        for name in self._probability_files(case):  # nnU-Net's own have no sidecar; nnUNetv2_ensemble would take them
            (self.folder / name).unlink(missing_ok=True)
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
        arrays, properties = (self.folder / name for name in self._probability_files(case))
        with whole_file(arrays) as temporary:
            np.savez_compressed(temporary, probabilities=prediction.probabilities)
        with whole_file(properties) as temporary:
            save_pickle(prediction.properties, str(temporary))
        return [labels.name, arrays.name, properties.name]

    @staticmethod
    def _probability_files(case: str) -> tuple[str, str]:
        """Return the names, nnU-Net's, of the files with a case's probabilities and with their properties."""
        return f"{case}.npz", f"{case}.pkl"

    def not_written(self, error: OSError) -> str:
        """Return in words that the folder could not be written, and what to do."""
        if is_disk_full(error):
            return (
                f"the disk of {self.folder} is full. Finished cases are whole. Free some space, then repeat the "
                f"command with --continue_prediction"
            )
        return f"{self.folder} cannot be written: {error}"


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error of writing, or what caused it, is a lack of space."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False
