"""Predict cases that lack modalities, from Python (L3)."""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import SimpleITK
import torch
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot
from numpy.typing import NDArray
from torch import Tensor

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.image_check import CaseCheck, check_case
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import CaseError, ModalityError, SettingsError
from nnunetv2_mstkd.inference.around_network import labels_of, preprocess
from nnunetv2_mstkd.inference.engines.choice import Choice
from nnunetv2_mstkd.inference.engines.engine_predictor import build_predictor
from nnunetv2_mstkd.inference.engines.names import AUTO
from nnunetv2_mstkd.inference.image_reader import Image, ImageReader, geometry_of, image_of_array, stack_channels
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.previous_stage import PreviousStage, previous_labels
from nnunetv2_mstkd.modalities import ModalitySubset

ImageLike: TypeAlias = Path | str | SimpleITK.Image | NDArray


@dataclass(frozen=True)
class PreparedCase:
    """A case as the network takes it.

    Args:
        check: the case without its empty channels, and what was noticed.
        image: (M, *S) preprocessed, absent channels zero; in a cascade with the previous stage's labels behind them.
        properties: nnU-Net's.
    """

    check: CaseCheck
    image: Tensor = field(repr=False)
    properties: dict[str, Any] = field(repr=False)


class MissingModalityPredictor:
    """A model that predicts whatever a patient has.

    Args:
        model_folder: `<trainer>__<plans>__<configuration>`, of a trainer of ours or of nnU-Net.
        folds: whose predictions are averaged; None: all that are there.
        checkpoint: name of the checkpoint files.
        device: "cpu", "cuda", "mps", a torch.device; "auto" takes CUDA where there is a GPU.
        engine: that runs the network on a CPU; "auto" takes the fastest one whose decisions are those of torch in
            float32, which it finds out in the first case.
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
        checkpoint: str = "checkpoint_final.pth",
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
        """What runs the network, and why; before the first case, what is to."""
        return self._predictor.choice

    @property
    def inference(self) -> dict[str, Any]:
        """How the model is applied."""
        predictor = self._predictor
        return inference_facts(self.device, predictor.engine, predictor.tile_step_size, predictor.use_mirroring)

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
        """
        given = {**(images or {}), **modalities}
        case, loaded = self._load(given, spacing_mm)
        stage = Path(previous_stage) if isinstance(previous_stage, str) else previous_stage
        check = self.check(case, loaded, stage)
        if check.problems:
            raise CaseError("; ".join(str(problem) for problem in check.problems))
        prepared = self.prepare(check, loaded, stage)
        return self.finish(prepared, self.predict_logits(prepared), return_probabilities=return_probabilities)

    def _load(
        self, given: Mapping[str, ImageLike], spacing_mm: Sequence[float] | None
    ) -> tuple[Case, dict[Path, Image]]:
        """Read each image once, whatever it is, under its file's name or its modality's."""
        if not given:
            raise ModalityError(
                f"No image is given: at least one modality must be present. {self.model.modalities.choices}"
            )
        sources: dict[int, ChannelSource] = {}
        loaded: dict[Path, Image] = {}
        for name, image in given.items():
            channel = self.model.modalities.channel(name)
            if channel in sources:
                raise ModalityError(f"{name!r} and another name stand for {self.model.modalities.names[channel]}")
            key = Path(image) if isinstance(image, str | Path) else Path(name)
            loaded[key] = self._image(key, image, spacing_mm)
            sources[channel] = ChannelSource(key)
        return Case("this case", sources), loaded

    def _image(self, key: Path, image: ImageLike, spacing_mm: Sequence[float] | None) -> Image:
        if not isinstance(image, str | Path | SimpleITK.Image):
            if self.reader.reorients:
                raise CaseError(f"{key}: this model turns images to one orientation, which an array does not tell")
            return image_of_array(np.asarray(image), spacing_mm, str(key))
        try:
            return self.reader.convert(image) if isinstance(image, SimpleITK.Image) else self.reader.read(key)
        except Exception as error:  # of whichever reader
            raise CaseError(f"{key} cannot be read: {error}") from error

    # the stages of a case ------------------------------------------------------------------------------------

    def check(
        self,
        case: Case,
        loaded: Mapping[Path, Image] | None = None,
        previous_stage: PreviousStage | None = None,
    ) -> CaseCheck:
        """Check a case: images, which are read unless they are in memory, and a cascade's labels; thread-safe."""
        grids: dict[Path, Geometry] = {}

        def read(file: Path) -> tuple[NDArray[np.float32], Geometry]:
            image = loaded[file] if loaded is not None else self.reader.read(file)
            grids[file] = image.geometry
            return image.volumes, image.geometry

        found = check_case(case, self.model.modalities, read, needs_depth=not self.model.is_2d)
        # the grid of images that have a fault is nothing to compare with
        grid = None if found.problems else grids[found.case.files[0]]
        faults = [*self._missing_need(found.case), *self._previous_stage_faults(grid, previous_stage)]
        return replace(found, problems=(*found.problems, *(Problem(case.name, fault) for fault in faults)))

    def _missing_need(self, case: Case) -> Iterator[str]:
        """Yield what is wrong if a case lacks what a dedicated model was trained for."""
        present, needs = case.subset(self.model.modalities), self.model.needs
        if needs is not None and not present.issuperset(needs):
            yield f"has {present}; this model was trained for {needs} alone and needs it"

    def _previous_stage_faults(self, grid: Geometry | None, given: PreviousStage | None) -> Iterator[str]:
        """Yield what is wrong with the labels of the previous stage, given or not, and the grid of sound images."""
        if given is not None and not self.model.is_cascade:
            yield "has labels of a previous stage, but this model is no cascade: leave them out"
        elif given is None and self.model.is_cascade:
            yield (
                "a cascade needs the labels of its previous stage: name their folder with -prev_stage_predictions "
                "(in Python: previous_stage)"
            )
        elif given is not None and grid is not None:
            try:
                previous_labels(given, grid, self.reader)
            except CaseError as error:
                yield str(error)

    def prepare(
        self,
        check: CaseCheck,
        loaded: Mapping[Path, Image] | None = None,
        previous_stage: PreviousStage | None = None,
    ) -> PreparedCase:
        """Read and preprocess a case that has been checked, with the same previous stage; thread-safe."""
        case = check.case if self.model.needs is None else check.case.restricted(self.model.needs)
        image, properties = stack_channels(case, loaded, self.reader, len(self.model.modalities))
        seg = None
        if previous_stage is not None:
            seg = previous_labels(previous_stage, geometry_of(image, properties), self.reader)[np.newaxis]
        plans, configuration, dataset_json = self.model.plans, self.model.configuration, self.model.dataset_json
        data, seg, properties = preprocess(image, properties, case, plans, configuration, dataset_json, seg=seg)
        if previous_stage is not None:
            data = np.vstack(
                (data, convert_labelmap_to_one_hot(seg[0], self.model.labels.foreground_labels, data.dtype))
            )
        return PreparedCase(CaseCheck(case, check.problems, check.warnings), torch.from_numpy(data), properties)

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
        """
        with self._network_lock:
            self._predictor.see(prepared.check.case.subset(self.model.modalities))
            return self._predictor.predict_logits_from_preprocessed_data(prepared.image)

    def finish(self, prepared: PreparedCase, logits: Tensor, *, return_probabilities: bool = False) -> Prediction:
        """Turn logits into labels in the case's own geometry; thread-safe."""
        labels, probabilities = labels_of(logits, self.model, prepared.properties, return_probabilities)
        used = prepared.check.case.subset(self.model.modalities)
        warnings, confidence = prepared.check.warnings, self.model.confidence(used)
        return Prediction(labels, probabilities, used, warnings, confidence, prepared.properties, self.reader)


def inference_facts(device: torch.device, engine: str, step_size: float, mirroring: bool) -> dict[str, Any]:
    """Return how a model is applied."""
    return {"device": str(device), "engine": engine, "step_size": step_size, "mirroring": mirroring}


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
