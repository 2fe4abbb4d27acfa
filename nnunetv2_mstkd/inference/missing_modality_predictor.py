"""Predict cases that lack modalities, from Python (L3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import SimpleITK
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot
from numpy.typing import NDArray
from torch import Tensor

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.image_check import CaseCheck, check_case
from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.inference.image_reader import Image, ImageReader, image_of_array, stack_channels
from nnunetv2_mstkd.inference.model import build_predictor, load_model
from nnunetv2_mstkd.inference.prediction import Prediction

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
        step_size: of the sliding window, in patches.
        mirroring: test-time augmentation.
        on_device: keep whole cases on the GPU.
        trust_checkpoint: also load checkpoints that could execute code.
        progress_bar: of the tiles of a case.

    Raises:
        ModelFolderError, CheckpointError: if the model cannot be loaded.

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
        step_size: float = 0.5,
        mirroring: bool = True,
        on_device: bool = True,
        trust_checkpoint: bool = False,
        progress_bar: bool = False,
    ) -> None:
        if not 0 < step_size <= 1:
            raise ModalityError(f"step_size must be above 0 and at most 1, in patches; given: {step_size}")
        self.device = _device(device)
        self.model = load_model(Path(model_folder), folds, checkpoint, trust_checkpoint=trust_checkpoint)
        self.reader = ImageReader(self.model.plans, self.model.file_ending)
        self.inference = {
            "device": str(self.device),
            "engine": "torch float16 autocast" if self.device.type == "cuda" else "torch float32",
            "step_size": step_size,
            "mirroring": mirroring,
        }
        self._predictor = build_predictor(
            self.model, self.device, step_size=step_size, mirroring=mirroring, on_device=on_device, bar=progress_bar
        )
        self._preprocessor = self.model.configuration.preprocessor_class(verbose=False)

    def predict_case(
        self,
        images: Mapping[str, ImageLike] | None = None,
        /,
        *,
        spacing_mm: Sequence[float] | None = None,
        previous_stage: NDArray | None = None,
        return_probabilities: bool = False,
        **modalities: ImageLike,
    ) -> Prediction:
        """Predict one case, from whatever is given.

        Args:
            images: by modality, for names that are no Python names; names and aliases of the model's channels.
            spacing_mm: of arrays, one number per axis in the array's order.
            previous_stage: of a cascade, the labels (z, y, x).
            return_probabilities: also return these.
            modalities: the same as `images`, by keyword: a file, a SimpleITK image, or an array (z, y, x).

        Raises:
            ModalityError: if a name is unknown or nothing is given.
            CaseError: if an image cannot be used; the message lists all that is wrong.
        """
        given = {**(images or {}), **modalities}
        case, loaded = self._load(given, spacing_mm)
        check = self.check(case, loaded)
        if check.problems:
            raise CaseError("; ".join(str(problem) for problem in check.problems))
        self.require_needed(check.case)
        prepared = self.prepare(check, loaded, previous_stage)
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
        return Case("this case", dict(sorted(sources.items()))), loaded

    def _image(self, key: Path, image: ImageLike, spacing_mm: Sequence[float] | None) -> Image:
        if isinstance(image, SimpleITK.Image):
            return self.reader.convert(image)
        if not isinstance(image, str | Path):
            return image_of_array(np.asarray(image), spacing_mm, str(key))
        try:
            return self.reader.read(key)
        except Exception as error:  # of whichever reader
            raise CaseError(f"{key} cannot be read: {error}") from error

    def require_needed(self, case: Case) -> None:
        """Check that a case has all that a dedicated model was trained for.

        Raises:
            CaseError: if not.
        """
        present = case.subset(self.model.modalities)
        if self.model.needs is not None and not present.issuperset(self.model.needs):
            raise CaseError(
                f"{case.name} has {present}; this model was trained for {self.model.needs} alone and needs it"
            )

    # the stages of a case ------------------------------------------------------------------------------------

    def check(self, case: Case, loaded: Mapping[Path, Image] | None = None) -> CaseCheck:
        """Check the images of a case, which are read unless they are in memory; thread-safe."""

        def read(file: Path) -> tuple[NDArray[np.float32], Geometry]:
            image = loaded[file] if loaded is not None else self.reader.read(file)
            return image.volumes, image.geometry

        return check_case(case, self.model.modalities, read, needs_depth=not self.model.is_2d)

    def prepare(
        self, check: CaseCheck, loaded: Mapping[Path, Image] | None = None, previous_stage: NDArray | None = None
    ) -> PreparedCase:
        """Read and preprocess a case that has been checked; thread-safe."""
        case = check.case if self.model.needs is None else check.case.restricted(self.model.needs)
        image, properties = stack_channels(case, loaded, self.reader, len(self.model.modalities))
        if self.model.is_cascade and previous_stage is None:
            raise CaseError(f"{case.name}: this model is a cascade and needs the labels of its previous stage")
        seg = None if previous_stage is None else previous_stage.reshape(1, *image.shape[1:])
        plans, configuration, dataset_json = self.model.plans, self.model.configuration, self.model.dataset_json
        data, seg, properties = self._preprocessor.run_case_npy(
            image, seg, properties, plans, configuration, dataset_json
        )
        absent = [channel for channel in range(len(self.model.modalities)) if channel not in case.sources]
        data[absent] = 0  # after the normalisation: not every scheme leaves zero where it is
        if previous_stage is not None:
            data = np.vstack(
                (data, convert_labelmap_to_one_hot(seg[0], self.model.labels.foreground_labels, data.dtype))
            )
        return PreparedCase(CaseCheck(case, check.problems, check.warnings), torch.from_numpy(data), properties)

    def predict_logits(self, prepared: PreparedCase) -> Tensor:
        """Run the network, or the mean of the folds' networks: logits (C, *S) of the preprocessed case."""
        return self._predictor.predict_logits_from_preprocessed_data(prepared.image)

    def finish(self, prepared: PreparedCase, logits: Tensor, *, return_probabilities: bool = False) -> Prediction:
        """Turn logits into labels in the case's own geometry; thread-safe."""
        result = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits,
            self.model.plans,
            self.model.configuration,
            self.model.labels,
            prepared.properties,
            return_probabilities,
            num_threads_torch=torch.get_num_threads(),
        )
        labels, probabilities = result if return_probabilities else (result, None)
        used = prepared.check.case.subset(self.model.modalities)
        warnings, confidence = prepared.check.warnings, self.model.confidence(used)
        return Prediction(labels, probabilities, used, warnings, confidence, prepared.properties, self.reader)


def _device(device: str | torch.device) -> torch.device:
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)
