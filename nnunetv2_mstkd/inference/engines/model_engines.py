"""The engines of a model, one for the weights of each fold (L3)."""

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from torch import nn

from nnunetv2_mstkd.inference.engines.agreement import Agreement
from nnunetv2_mstkd.inference.engines.engine import Engine
from nnunetv2_mstkd.inference.engines.engine_cache import EngineCache, key_of
from nnunetv2_mstkd.inference.engines.names import TORCH_BFLOAT16, TORCH_FLOAT32
from nnunetv2_mstkd.inference.engines.openvino_engine import OpenVINO, compile_network
from nnunetv2_mstkd.inference.engines.torch_engine import TorchBFloat16, TorchFloat32
from nnunetv2_mstkd.inference.modality_encoders import seen_channels
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.inference.model_files import checkpoint_file
from nnunetv2_mstkd.modalities import ModalitySubset

# what is kept of an engine; the last is an agreement of means over mirror images
_COMPILED, _AGREEMENT, _MIRRORED_AGREEMENT = "compiled", "agreement.json", "mirrored_agreement.json"


class ModelEngines:
    """Makes engines, and remembers which of them agree with torch in float32.

    Args:
        model: whose network is run.
        warn: takes a line for people.
        mirrored: whether predictions are means over mirror images. An engine that agrees so need not do so without.
    """

    def __init__(self, model: Model, warn: Callable[[str], None], *, mirrored: bool) -> None:
        self._model = model
        self._warn = warn
        self._mirrored = mirrored
        self._caches: dict[tuple[str, int], EngineCache] = {}

    def make(self, name: str, network: nn.Module, fold: int, tile_shape: Sequence[int]) -> Engine:
        """Return an engine.

        Args:
            name: of the engine.
            network: with the weights of the fold; one with an encoder for each modality has been told what there is.
            fold: index into the model's folds.
            tile_shape: (C, *patch).

        Raises:
            MissingExtraError: if OpenVINO is not installed.
        """
        if name == TORCH_FLOAT32:
            return TorchFloat32(network)
        network = getattr(network, "_orig_mod", network)  # what torch.compile wraps
        if name == TORCH_BFLOAT16:
            return TorchBFloat16(network)
        return self._openvino(name, network, fold, tile_shape)

    def _openvino(self, name: str, network: nn.Module, fold: int, tile_shape: Sequence[int]) -> OpenVINO:
        cache, kind = self._cache(name, fold), _of_channels(_COMPILED, seen_channels(network))

        def compiled() -> bytes:
            content = compile_network(network, (1, *tile_shape), name)
            cache.put_checked(kind, content)
            return content

        def kept() -> bytes:
            return cache.get_checked(kind) or compiled()

        if (content := cache.get_checked(kind)) is not None:
            with contextlib.suppress(RuntimeError):  # OpenVINO does not take it: it is compiled anew
                return OpenVINO(content, name, kept)
        return OpenVINO(compiled(), name, kept)

    def remembered(self, name: str, subset: ModalitySubset | None) -> Agreement | None:
        """Return how an engine compared with torch in float32 in an earlier run; None if that is not known.

        Args:
            name: of the engine.
            subset: that was given to a network with an encoder for each modality; None of any other.
        """
        plain = self._agreement(name, _agreement_of(subset, mirrored=False))
        if not self._mirrored:
            return plain
        mirrored = self._agreement(name, _agreement_of(subset, mirrored=True))
        if mirrored is None and plain is not None and plain.is_close:  # a mean errs less than each of its images
            return plain
        return mirrored

    def _agreement(self, name: str, kind: str) -> Agreement | None:
        found = self._cache(name, 0).get_json(kind) or {}
        try:
            differences = int(found["voxels"]), int(found["clear_differences"])
            return Agreement(float(found["dice"]), *differences, tuple(map(int, found["region_voxels"])))
        except (KeyError, TypeError, ValueError):  # not there, damaged, or of a version that compared otherwise
            return None

    def remember(self, name: str, subset: ModalitySubset | None, agreement: Agreement) -> None:
        """Keep how an engine compared, beside the checkpoint of the first fold."""
        self._cache(name, 0).put_json(_agreement_of(subset, mirrored=self._mirrored), agreement.as_dict())

    def forget(self, name: str) -> None:
        """Let go of what could not be written of an engine, and is in memory."""
        self._caches = {key: cache for key, cache in self._caches.items() if key[0] != name}

    def _cache(self, name: str, fold: int) -> EngineCache:
        if (name, fold) not in self._caches:
            model, of_fold = self._model, self._model.folds[fold]
            depends_on = {"weights_sha256": model.weights_sha256[of_fold], **self._network_facts}
            checkpoint = checkpoint_file(model.folder, of_fold, model.checkpoint)
            self._caches[name, fold] = EngineCache(checkpoint, name, depends_on, self._warn_once)
        return self._caches[name, fold]

    @cached_property
    def _network_facts(self) -> dict[str, Any]:
        # its text has what is in the plans and not in the weights, such as the slope of an activation
        return {
            "patch": list(map(int, self._model.configuration.patch_size)),
            "network": key_of({"network": str(self._model.network)}),
        }

    def _warn_once(self, line: str) -> None:
        """Warn of the first thing that cannot be written: the others are no news."""
        warn, self._warn = self._warn, lambda _: None
        warn(line)


def _agreement_of(subset: ModalitySubset | None, *, mirrored: bool) -> str:
    kind = _MIRRORED_AGREEMENT if mirrored else _AGREEMENT
    return _of_channels(kind, None if subset is None else subset.channels)


def _of_channels(kind: str, channels: Sequence[int] | None) -> str:
    """Return what something is kept as: side by side where encoders run for some channels only."""
    return kind if channels is None else f"channels_{'_'.join(map(str, channels))}.{kind}"
