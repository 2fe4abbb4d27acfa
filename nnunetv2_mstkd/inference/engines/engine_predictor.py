"""nnU-Net's predictor with an engine for its network: the sliding window, mirroring and folds are its own (L3)."""

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from torch import Tensor

from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.inference.engines.choice import Choice, choose_engine
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.engine_trials import EngineTrials
from nnunetv2_mstkd.inference.engines.mirroring import mean_over_mirrored
from nnunetv2_mstkd.inference.engines.model_engines import ModelEngines
from nnunetv2_mstkd.inference.engines.names import AUTO, OF_OPENVINO
from nnunetv2_mstkd.inference.modality_encoders import see_only, uncompiled
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.modalities import ModalitySubset


class EnginePredictor(nnUNetPredictor):
    """Predicts by an engine on a CPU, and as nnU-Net does on another device.

    An engine that nobody asked for is compared with torch in float32 on the first case with foreground, whose logits
    are its own only if it is good enough (`EngineTrials`).
    """

    network: Any
    _choice: Choice
    _model_network: Any  # what `network` stands in for
    _engine_network: EngineNetwork  # and the trials: on a CPU
    _trials: EngineTrials | None = None

    def take_engine(self, choice: Choice, model: Model, warn: Callable[[str], None]) -> None:
        """Run the network by an engine from now on; call it after `manual_initialization`."""
        self._choice, self._model_network = choice, self.network
        if self.device.type != "cpu":
            return
        axes, has_regions = self._mirror_axes, bool(model.labels.has_regions)
        engines = ModelEngines(model, warn, mirrored=bool(axes))
        self._engine_network = EngineNetwork(self.network, model.weights, choice.name, engines.make)
        self._trials = EngineTrials(
            choice, self._engine_network, engines, has_regions=has_regions, mirror_axes=axes, warn=warn
        )
        self.network = self._engine_network.eval()

    @property
    def choice(self) -> Choice:
        """The engine in use, and why; before the first case, the one that is to be."""
        return self._choice if self._trials is None else self._trials.choice

    def engines_for(self, subset: ModalitySubset) -> tuple[str, ...]:
        """Return the names of the engines that may predict cases that have a subset, by what is known so far."""
        return (self._choice.name,) if self._trials is None else self._trials.engines_for(subset)

    @property
    def engine(self) -> str:
        """Name of the engine in use."""
        return self.choice.name

    def see(self, subset: ModalitySubset) -> None:
        """Tell a network with an encoder for each modality what the case has that is predicted next."""
        if self._trials is None:
            see_only(self._model_network, subset)
        else:
            self._trials.see(subset)

    @torch.inference_mode()
    def warm_up(self, subset: ModalitySubset | None = None) -> None:
        """Make the engine, so that the first case need not wait for it; what stops it is told by that case.

        Args:
            subset: that the first case has; None: all.
        """
        if self._trials is not None and not self._engine_network.is_warm:
            with contextlib.suppress(Exception):
                if subset is not None:
                    self.see(subset)
                self._engine_network.warm_up(self._tile_shape)

    def predict_sliding_window_return_logits(self, input_image: Tensor) -> Tensor:
        """Return the logits (K, *S) of an image (C, *S), by every core that this process may use."""
        if self._trials is None:
            return super().predict_sliding_window_return_logits(input_image)
        run = partial(super().predict_sliding_window_return_logits, input_image)
        with every_core():
            return self._trials.predict(self._tile_shape, run)

    def _internal_maybe_mirror_and_predict(self, x: Tensor) -> Tensor:
        """Return the logits of a tile (1, C, *patch), with mirroring the mean over all its mirror images."""
        axes = self._mirror_axes
        # what a caller put around the engine's network asks it for several at once already
        is_by_tile = self._trials is None or self.network is not self._engine_network or self.engine not in OF_OPENVINO
        if is_by_tile or not axes:
            found: Tensor = super()._internal_maybe_mirror_and_predict(x)
            return found
        return mean_over_mirrored(self.network, x, axes)

    @property
    def _mirror_axes(self) -> tuple[int, ...]:
        """Of the patch; none without mirroring."""
        return tuple(self.allowed_mirroring_axes or ()) if self.use_mirroring else ()

    @property
    def _tile_shape(self) -> tuple[int, ...]:
        """(C, *patch)."""
        channels = determine_num_input_channels(self.plans_manager, self.configuration_manager, self.dataset_json)
        return (channels, *map(int, self.configuration_manager.patch_size))


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
