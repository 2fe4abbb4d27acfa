"""The engines that are OpenVINO's (L3). It is imported where it is used: it is an extra."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.errors import MissingExtraError
from nnunetv2_mstkd.inference.engines.names import OPENVINO_BFLOAT16, OPENVINO_FLOAT32
from nnunetv2_mstkd.inference.engines.openvino_conversion import convert_network
from nnunetv2_mstkd.inference.engines.openvino_precision import keep_end_in_float32
from nnunetv2_mstkd.modalities import ModalitySubset

_AT_ONCE = 2  # each takes the memory of a tile's features
_PRECISIONS = {OPENVINO_FLOAT32: "f32", OPENVINO_BFLOAT16: "bf16"}


class OpenVINO:
    """A network that OpenVINO compiled for tiles of one size.

    One tile has all cores. Of several, two are computed side by side, each by half of the cores: no core waits for the
    others at the end of each layer.

    Args:
        compiled: what `compile_network` returned, or what was kept of it; it is not held on to.
        name: "openvino-float32" or "openvino-bfloat16", as it was compiled.
        read_again: returns the same as `compiled`; it is asked for once, before the first several tiles.
    """

    def __init__(self, compiled: bytes, name: str, read_again: Callable[[], bytes]) -> None:
        self.name = name
        self._read_again = read_again
        self._load(compiled, 1)

    def _load(self, compiled: bytes, at_once: int) -> None:
        openvino = import_openvino()
        settings = {**_settings(self.name), "NUM_STREAMS": at_once}
        self._queue: Any = openvino.AsyncInferQueue(openvino.Core().import_model(compiled, "CPU", settings), at_once)
        self._at_once = at_once

    def see(self, subset: ModalitySubset) -> bool:
        """Return False: what is compiled is of one subset."""
        return False

    def __call__(self, tiles: Tensor) -> Tensor:
        """Return the logits."""
        if len(tiles) > 1 and self._at_once < (at_once := min(_AT_ONCE, available_cores())):
            self._queue = None  # holds gigabytes
            self._load(self._read_again(), at_once)
        logits: list[Any] = [None] * len(tiles)

        def keep(request: Any, index: int) -> None:  # copied: the next tile is computed where this one is
            logits[index] = torch.from_numpy(request.get_output_tensor(0).data.copy())

        self._queue.set_callback(keep)
        whole = tiles.contiguous().numpy()  # shared, not copied: it must outlive the computation
        for index in range(len(tiles)):
            self._queue.start_async({0: whole[index : index + 1]}, index, share_inputs=True)
        self._queue.wait_all()
        found = torch.cat(logits)
        logits.clear()  # the queue holds on to its callback
        return found


def compile_network(network: nn.Module, tile_shape: Sequence[int], name: str) -> bytes:
    """Return a network compiled for this machine, in OpenVINO's own format.

    Args:
        network: in evaluation mode, on the CPU.
        tile_shape: (1, C, *patch).
        name: "openvino-float32" or "openvino-bfloat16".

    Raises:
        MissingExtraError: if OpenVINO is not installed.
    """
    openvino, compiled = import_openvino(), io.BytesIO()
    model = convert_network(network, tile_shape)
    if name == OPENVINO_BFLOAT16:
        model = keep_end_in_float32(model)
    openvino.Core().compile_model(model, "CPU", _settings(name)).export_model(compiled)
    return compiled.getvalue()


def import_openvino() -> Any:
    """Import OpenVINO.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("Prediction by OpenVINO needs the package openvino", "openvino") from error
    return openvino


def _settings(name: str) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[name],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": available_cores(),
    }
