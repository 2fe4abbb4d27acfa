"""Predict cases that lack modalities, from Python (L3)."""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.image_check import CaseCheck
from nnunetv2_mstkd.errors import CaseError, ModalityError, SettingsError
from nnunetv2_mstkd.inference.around_network import labels_of, require_finite
from nnunetv2_mstkd.inference.engines.choice import Choice
from nnunetv2_mstkd.inference.engines.engine_predictor import build_predictor
from nnunetv2_mstkd.inference.engines.names import AUTO
from nnunetv2_mstkd.inference.given_images import ImageLike, case_of_images
from nnunetv2_mstkd.inference.image import Image
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.inference.model_check import check_for_model
from nnunetv2_mstkd.inference.model_files import FINAL_CHECKPOINT
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.prepared_case import PreparedCase, prepare_case
from nnunetv2_mstkd.inference.previous_stage import PreviousStage
from nnunetv2_mstkd.inference.run_facts import inference_facts
from nnunetv2_mstkd.modalities import ModalitySubset


class MissingModalityPredictor:
    """A model that predicts whatever a patient has.

    Args:
        model_folder: `<trainer>__<plans>__<configuration>`, of a trainer of ours or of nnU-Net.
        folds: whose predictions are averaged; None: all that are there.
        checkpoint: name of the checkpoint files.
        device: "cpu", "cuda", "mps", a torch.device; "auto" takes CUDA where there is a GPU.
        engine: that runs the network on a CPU; "auto" takes the fastest one whose decisions are those of torch in
            float32, which it finds out in the first cases.
        step_size: of the sliding window, in patches.
        mirroring: test-time augmentation.
        on_device: keep whole cases on the GPU.
        trust_checkpoint: also load checkpoints that could execute code.
        progress_bar: of the tiles of a case.
        warn: takes a line about the engine, if it cannot be used; by default `warnings.warn`.

    Raises:
        ModelFolderError, CheckpointError: if the model cannot be loaded.
        SettingsError: if there is no such device, or the engine cannot run on it.
        MissingExtraError: if the engine is not installed.

    Example:
        predictor = MissingModalityPredictor(model_folder)
        prediction = predictor.predict_case(T1ce="patient_t1ce.nii.gz", FLAIR="patient_flair.nii.gz")
        prediction.save("patient_seg.nii.gz")
    """

    def __init__(
        self,
        model_folder: Path | str,
        folds: Sequence[str | int] | None = None,
        checkpoint: str = FINAL_CHECKPOINT,
        *,
        device: str | torch.device = "auto",
        engine: str = AUTO,
        step_size: float = 0.5,
        mirroring: bool = True,
        on_device: bool = True,
        trust_checkpoint: bool = False,
        progress_bar: bool = False,
        warn: Callable[[str], None] = warnings.warn,
    ) -> None:
        if not 0 < step_size <= 1:
            raise ModalityError(f"step_size must be above 0 and at most 1, in patches; given: {step_size}")
        self.device = find_device(device)
        self.model = load_model(Path(model_folder), folds, checkpoint, trust_checkpoint=trust_checkpoint)
        self.reader = ImageReader(self.model.plans, self.model.file_ending)
        self._predictor = build_predictor(
            self.model,
            self.device,
            engine=engine,
            step_size=step_size,
            mirroring=mirroring,
            on_device=on_device,
            bar=progress_bar,
            warn=warn,
        )
        self._network_lock = threading.Lock()

    @property
    def engine(self) -> Choice:
        """What ran the network for the last case, and why; before the first case, what is to."""
        return self._predictor.choice

    @property
    def inference(self) -> dict[str, Any]:
        """How the model is applied, by this engine."""
        return self._inference(self.engine.name)

    def inferences_for(self, subset: ModalitySubset) -> list[dict[str, Any]]:
        """Return in which ways the model may be applied to cases that have a subset.

        There are several as long as it is not known which engine is good enough.
        """
        return [self._inference(name) for name in self._predictor.engines_for(subset)]

    def _inference(self, engine: str) -> dict[str, Any]:
        predictor = self._predictor
        return inference_facts(self.device, engine, predictor.tile_step_size, predictor.use_mirroring)

    def predict_case(
        self,
        images: Mapping[str, ImageLike] | None = None,
        /,
        *,
        spacing_mm: Sequence[float] | None = None,
        previous_stage: Path | str | NDArray | None = None,
        return_probabilities: bool = False,
        **modalities: ImageLike,
    ) -> Prediction:
        """Predict one case, from whatever is given.

        Args:
            images: by modality, for names that are no Python names; names and aliases of the model's channels.
            spacing_mm: of arrays, one number per axis in the array's order.
            previous_stage: of a cascade, the labels on the grid of the images: a file, or an array (z, y, x).
            return_probabilities: also return these.
            modalities: the same as `images`, by keyword: a file, a SimpleITK image, or an array (z, y, x). A model of
                TIFF or PNG files takes no SimpleITK images, and one that turns images to one orientation no arrays.

        Raises:
            ModalityError: if a name is unknown or nothing is given.
            CaseError: if an image cannot be used, or what the model cannot do without is not given; the message
                lists all that is wrong.
            PredictionError: if what the network says is NaN or infinite.
        """
        given = {**(images or {}), **modalities}
        case, loaded = case_of_images(given, self.model.modalities, self.reader, spacing_mm)
        stage = Path(previous_stage) if isinstance(previous_stage, str) else previous_stage
        check = self.check(case, loaded, stage)
        if check.problems:
            raise CaseError("; ".join(str(problem) for problem in check.problems))
        prepared = self.prepare(check, loaded, stage)
        return self.finish(prepared, self.predict_logits(prepared), return_probabilities=return_probabilities)

    # the stages of a case -------------------------------------------------------------------------------------------

    def check(
        self,
        case: Case,
        loaded: Mapping[Path, Image] | None = None,
        previous_stage: PreviousStage | None = None,
    ) -> CaseCheck:
        """Check a case: images, which are read unless they are in memory, and a cascade's labels; thread-safe."""
        return check_for_model(case, self.model, self.reader, loaded, previous_stage)

    def prepare(
        self,
        check: CaseCheck,
        loaded: Mapping[Path, Image] | None = None,
        previous_stage: PreviousStage | None = None,
    ) -> PreparedCase:
        """Read and preprocess a case that has been checked, with the same previous stage; thread-safe."""
        return prepare_case(check, self.model, self.reader, loaded, previous_stage)

    def warm_up(self, subset: ModalitySubset | None = None) -> None:
        """Make the engine, which takes a moment, while the first case is prepared; thread-safe.

        Args:
            subset: that the first case has: of a network with an encoder for each modality, others do not run; None:
                all.
        """
        with self._network_lock:
            self._predictor.warm_up(subset)

    def predict_logits(self, prepared: PreparedCase) -> Tensor:
        """Run the network, or the mean of the folds' networks: logits (C, *S) of the preprocessed case.

        Thread-safe: one case after another, as the weights of all folds take turns in one network.

        Raises:
            PredictionError: if a logit is NaN or infinite.
        """
        with self._network_lock:
            self._predictor.see(prepared.check.case.subset(self.model.modalities))
            logits = self._predictor.predict_logits_from_preprocessed_data(prepared.image)
        require_finite(logits)
        return logits

    def finish(self, prepared: PreparedCase, logits: Tensor, *, return_probabilities: bool = False) -> Prediction:
        """Turn logits into labels in the case's own geometry; thread-safe."""
        labels, probabilities = labels_of(logits, self.model, prepared.properties, return_probabilities)
        used = prepared.check.case.subset(self.model.modalities)
        warnings, confidence = prepared.check.warnings, self.model.confidence(used)
        return Prediction(labels, probabilities, used, warnings, confidence, prepared.properties, self.reader)


def find_device(device: str | torch.device) -> torch.device:
    """Return a device; "auto": CUDA where there is a GPU.

    Raises:
        SettingsError: if there is no such device.
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except Exception as error:  # each backend has its own way to say that it is not there
        raise SettingsError(f"The device {str(device)!r} cannot be used here ({error}): take cpu, or auto") from error
    return found
