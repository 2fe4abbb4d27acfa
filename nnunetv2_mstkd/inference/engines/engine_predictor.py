"""nnU-Net's predictor with an engine for its network: the sliding window, mirroring and folds are its own (L3)."""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from torch import Tensor

from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.inference.engines.agreement import Agreement, compare, has_foreground
from nnunetv2_mstkd.inference.engines.choice import Choice, choose_engine, slower_engine
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.model_engines import ModelEngines
from nnunetv2_mstkd.inference.engines.names import AUTO, TORCH_FLOAT32
from nnunetv2_mstkd.inference.modality_encoders import see_only, uncompiled
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.modalities import ModalitySubset


class EnginePredictor(nnUNetPredictor):
    """Predicts by an engine on a CPU, and as nnU-Net does on another device.

    An engine that nobody asked for is compared with torch in float32 before it predicts the first case: on the first
    tile that it finds foreground in. If their decisions differ, a slower one is tried, torch in float32 as the last.
    """

    choice: Choice
    network: Any
    _model_network: Any  # what `network` stands in for
    _engines: ModelEngines
    _engine_network: EngineNetwork
    _warn: Callable[[str], None]
    _has_regions: bool
    _is_settled = True

    def take_engine(self, choice: Choice, model: Model, warn: Callable[[str], None]) -> None:
        """Run the network by an engine from now on; call it after `manual_initialization`."""
        self.choice, self._warn, self._has_regions = choice, warn, bool(model.labels.has_regions)
        self._model_network = self.network
        if self.device.type != "cpu":
            return
        self._engines = ModelEngines(model, warn)
        self._engine_network = EngineNetwork(self.network, model.weights, choice.name, self._engines.make)
        self.network = self._engine_network.eval()
        self._is_settled = choice.is_asked_for or choice.name == TORCH_FLOAT32
        self._recall()

    @property
    def engine(self) -> str:
        """Name of the engine: the one in use, and before the first case the one that is to be."""
        return self.choice.name

    def see(self, subset: ModalitySubset) -> None:
        """Tell a network with an encoder for each modality what the case has that is predicted next."""
        if self.device.type == "cpu":
            self._engine_network.see(subset)
        else:
            see_only(self._model_network, subset)

    @torch.inference_mode()
    def warm_up(self, subset: ModalitySubset | None = None) -> None:
        """Make the engine, so that the first case need not wait for it; what stops it is told by that case.

        Args:
            subset: that the first case has; None: all.
        """
        if self.device.type == "cpu" and not self._engine_network.is_warm:
            settings = self.plans_manager, self.configuration_manager, self.dataset_json
            with contextlib.suppress(Exception):
                if subset is not None:
                    self.see(subset)
                self._engine_network.warm_up((determine_num_input_channels(*settings), *settings[1].patch_size))

    def predict_sliding_window_return_logits(self, input_image: Tensor) -> Tensor:
        """Return the logits (K, *S) of an image (C, *S), by every core that this process may use."""
        if self.device.type != "cpu":
            return super().predict_sliding_window_return_logits(input_image)
        with every_core():
            self._try_engines(input_image)
            return super().predict_sliding_window_return_logits(input_image)

    # the choice -----------------------------------------------------------------------------------------------------

    def _recall(self) -> None:
        """Use what earlier runs found out."""
        while not self._is_settled and (agreement := self._engines.remembered(self.choice.name)):
            self._settle(agreement)

    def _try_engines(self, image: Tensor) -> None:
        """Compare engines until one is good enough, or the image does not tell."""
        tried = ""
        while not self._is_settled and self.choice.name != tried:
            tried = self.choice.name
            self._try_engine(image)
            self._recall()

    @torch.inference_mode()
    def _try_engine(self, image: Tensor) -> None:
        """Compare the engine with torch in float32."""
        has_regions, name = self._has_regions, self.choice.name
        try:
            tile, logits = self._telling_tile(image)
        except Exception as error:  # whatever stops an engine that nobody asked for
            self._fall_back(f"{name} does not run here: {type(error).__name__}: {error}")
            return
        self._engine_network.release()  # the float32 pass needs its memory
        reference = self._engine_network.network(tile)
        agreement = compare(reference, logits, has_regions=has_regions)
        is_telling = has_foreground(reference, has_regions=has_regions) or has_foreground(
            logits, has_regions=has_regions
        )
        if is_telling or not agreement.is_close:
            self._engines.remember(name, agreement)
            self._settle(agreement)
        # else all is background: this case is as well predicted by the engine, and the next one is to tell

    def _telling_tile(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first tile that the engine finds foreground in, or else the last one, with the logits."""
        for tile in self._tiles(image):
            logits = self._engine_network(tile)
            if tile.any() and has_foreground(logits, has_regions=self._has_regions):
                break
        return tile, logits

    def _tiles(self, image: Tensor) -> Iterator[Tensor]:
        """Yield the tiles (1, C, *patch) of the sliding window, in its order."""
        padded = pad_nd_image(image, self.configuration_manager.patch_size, "constant", {"value": 0})
        for slicer in self._internal_get_sliding_window_slicers(padded.shape[1:]):
            yield padded[slicer][None].contiguous()

    def _settle(self, agreement: Agreement) -> None:
        if agreement.is_close:
            self._is_settled = True
            self.choice = Choice(self.choice.name, f"{self.choice.reason}; {agreement}")
        else:
            self._fall_back(f"{self.choice.name} is not good enough for this model: {agreement}")

    def _fall_back(self, why: str) -> None:
        slower = slower_engine(self.choice.name)
        self._is_settled = slower == TORCH_FLOAT32
        self._engine_network.use(slower)
        self.choice = Choice(slower, why)
        self._warn(f"{why}. {slower} takes its place, which is slower")


@contextlib.contextmanager
def every_core() -> Iterator[None]:
    """Let torch use all cores that this process may use: nnU-Net's predictor keeps to `nnUNet_def_n_proc` of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(available_cores())
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def build_predictor(
    model: Model,
    device: torch.device,
    *,
    engine: str = AUTO,
    step_size: float = 0.5,
    mirroring: bool = True,
    on_device: bool = True,
    bar: bool = False,
    warn: Callable[[str], None],
) -> EnginePredictor:
    """Return nnU-Net's own predictor with the model in it: sliding window, mirroring, averaging of folds.

    Args:
        model: to predict with.
        device: where.
        engine: of `names.CHOICES`.
        step_size: of the sliding window, in patches.
        mirroring: test-time augmentation.
        on_device: keep whole cases on the GPU.
        bar: show the progress of the tiles.
        warn: takes a line for people, if the engine cannot be used or nothing can be kept of it.

    Raises:
        SettingsError: if the engine cannot run here.
        MissingExtraError: if it is not installed.
    """
    choice = choose_engine(engine, device)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells that a CPU is no GPU
        predictor: Any = EnginePredictor(
            tile_step_size=step_size,
            use_mirroring=mirroring,
            perform_everything_on_device=on_device,
            device=device,
            allow_tqdm=bar,
        )
    predictor.manual_initialization(
        uncompiled(model.network),
        model.plans,
        model.configuration,
        model.weights,
        model.dataset_json,
        model.trainer_name,
        model.mirroring_axes,
    )
    predictor.take_engine(choice, model, warn)
    return predictor
