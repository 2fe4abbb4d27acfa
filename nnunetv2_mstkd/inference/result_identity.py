"""What the result of a case depends on, and whether an earlier run wrote it from just that (L3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.inference.input_files import files_of_image, files_of_labels
from nnunetv2_mstkd.inference.intake import Selection, previous_stage_file
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.inference.run_facts import input_facts, model_facts, previous_stage_facts
from nnunetv2_mstkd.inference.run_options import RunOptions
from nnunetv2_mstkd.inference.run_record import Sidecar


class ResultIdentity:
    """Tells it of the cases of one run; thread-safe.

    Args:
        predictor: with the model.
        selection: which images.
        options: of the run.
    """

    def __init__(self, predictor: MissingModalityPredictor, selection: Selection, options: RunOptions) -> None:
        self._predictor = predictor
        self._selection = selection
        self._options = options
        self.model = model_facts(predictor.model)

    def applied(self, inference: Mapping[str, Any]) -> dict[str, Any]:
        """Return how the model is applied in this run."""
        return {**inference, "probabilities": self._options.save_probabilities}

    def files(self, case: Case) -> list[Path]:
        """Return all files that a case is read from."""
        labels, reader = previous_stage_file(self._selection, case, self._predictor), self._predictor.reader
        images = [file for image in case.files for file in files_of_image(image, reader)]
        return [*images, *(() if labels is None else files_of_labels(labels, reader))]

    def of(self, case: Case, inference: Mapping[str, Any]) -> dict[str, Any]:
        """Return all that the result depends on.

        Args:
            case: as it was found, with the channels that the check finds empty.
            inference: how the model was applied, as `applied` returns it.

        Raises:
            OSError: if a file cannot be read.
        """
        return {**self._of_input(case), "inference": dict(inference)}

    def is_finished(self, case: Case, sidecar: Sidecar) -> bool:
        """Return whether the record of a case says that just this was done, and its files are still there."""
        try:
            used = self._predictor.model.modalities.subset_of(sidecar.used())
        except ModalityError:  # there is no record, or that of another model: no checksum of the images is needed
            return False
        try:
            identity = self._of_input(case)
        except OSError:  # the check of the images says what is wrong with them
            return False
        applied = map(self.applied, self._predictor.inferences_for(used))
        return any(sidecar.is_finished({**identity, "inference": inference}) for inference in applied)

    def _of_input(self, case: Case) -> dict[str, Any]:
        labels = previous_stage_file(self._selection, case, self._predictor)
        return {
            "files": input_facts(case, self._predictor.model.modalities, self._predictor.reader),
            "previous_stage": previous_stage_facts(labels, self._predictor.reader),
            "model": self.model,
        }
