"""The engines that are OpenVINO's (L3). It is imported where it is used: it is an extra."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.errors import MissingExtraError
from nnunetv2_mstkd.inference.engines.names import OPENVINO_BFLOAT16, OPENVINO_FLOAT32
from nnunetv2_mstkd.modalities import ModalitySubset

_PRECISIONS = {OPENVINO_FLOAT32: "f32", OPENVINO_BFLOAT16: "bf16"}


class OpenVINO:
    """A network that OpenVINO compiled for tiles of one size.

    Args:
        compiled: what `compile_network` returned, or what was kept of it.
        name: "openvino-float32" or "openvino-bfloat16", as it was compiled.
    """

    def __init__(self, compiled: bytes, name: str) -> None:
        self.name = name
        model = import_openvino().Core().import_model(compiled, "CPU", _settings(name))
        self._request = model.create_infer_request()

    def see(self, subset: ModalitySubset) -> bool:
        """Return False: what is compiled is of one subset."""
        return False

    def __call__(self, tiles: Tensor) -> Tensor:
        """Return the logits."""
        return torch.cat([self._of_one(tile[None]) for tile in tiles])

    def _of_one(self, tile: Tensor) -> Tensor:
        found = self._request.infer({0: tile.contiguous().numpy()}, share_inputs=True)[0]
        return torch.from_numpy(found.copy())  # the next tile is computed where this one is


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
    model = _convert(network, tile_shape)
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


def _convert(network: nn.Module, tile_shape: Sequence[int]) -> Any:
    """Convert by the frontend itself: `openvino.convert_model` around it reports its use to the vendor."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    # torch.export runs nothing; torch.jit.trace would take the time and the memory of a float32 pass
    exported = torch.export.export(network, (torch.zeros(*tile_shape),))
    with _without_warnings():
        decoder = TorchFXPythonDecoder.from_exported_program(exported, dynamic_shapes=False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    return frontend.convert(frontend.load(decoder))


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Let the root logger pass over warnings: of operations that this torch does not have and no network uses."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _settings(name: str) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[name],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": available_cores(),
    }
