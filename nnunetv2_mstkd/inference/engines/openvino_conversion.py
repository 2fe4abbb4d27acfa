"""A network as OpenVINO's graph (L3). OpenVINO is imported where it is used: it is an extra."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

# Another number where the same network becomes another graph: what is kept of compiled ones depends on it.
CONVERSION = 3

_INSTANCE_NORM = torch.ops.aten.instance_norm.default
_WEIGHT, _BIAS, _OF_INPUT, _EPSILON = 1, 2, 5, 7  # positions of its arguments


def convert_network(network: nn.Module, tile_shape: Sequence[int]) -> Any:
    """Return a network as an `openvino.Model`, converted by the frontend itself.

    `openvino.convert_model` around it reports its use to the vendor, and writes an instance norm as three means and a
    batch norm. Here it is one operation, which the CPU fuses with the activation behind it and whose mean and variance
    stay in float32: it takes less time, and errs less in bfloat16.

    Args:
        network: in evaluation mode, on the CPU.
        tile_shape: (1, C, *patch).
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch import ConversionExtension
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    # torch.export runs nothing; torch.jit.trace would take the time and the memory of a float32 pass
    exported = torch.export.export(network, (torch.zeros(*tile_shape),))
    frontend = FrontEndManager().load_by_framework("pytorch")
    frontend.add_extension(ConversionExtension("aten.instance_norm.default", _normalized))
    with _without_warnings():
        decoder = TorchFXPythonDecoder(_decomposed(exported).module(), dynamic_shapes=False)
    return frontend.convert(frontend.load(decoder))


def _decomposed(exported: ExportedProgram) -> ExportedProgram:
    """Return a program of the operations that the frontend knows, and of instance norms."""
    from openvino.frontend.pytorch.torchdynamo.export_decompositions import ops_to_not_decompose
    from torch.export.decomp_utils import CustomDecompTable

    table: Any = CustomDecompTable()  # type: ignore[no-untyped-call]
    kept = ops_to_not_decompose()
    for operation in (*kept, _INSTANCE_NORM) if _norms_are_affine(exported) else kept:
        table.pop(operation, None)
    return exported.run_decompositions(table)


def _norms_are_affine(exported: ExportedProgram) -> bool:
    """Return whether all instance norms are nnU-Net's: with weight and bias, by the statistics of their input."""
    norms = [node.args for node in exported.graph.nodes if node.target is _INSTANCE_NORM]
    return all(args[_WEIGHT] is not None and args[_BIAS] is not None and args[_OF_INPUT] for args in norms)


def _normalized(context: Any) -> Any:
    """Convert an instance norm of (1, C, *S)."""
    from openvino import opset13

    image = context.get_input(0)
    rank = image.get_partial_shape().rank.get_length()
    axes = opset13.constant(np.arange(2, rank))
    channels = opset13.constant(np.array([1, -1, *[1] * (rank - 2)]))
    weight, bias = (opset13.reshape(context.get_input(i), channels, False) for i in (_WEIGHT, _BIAS))
    epsilon = float(context.get_values_from_const_input(_EPSILON))
    normal = opset13.mvn(image, axes, True, epsilon, "inside_sqrt")
    return opset13.add(opset13.multiply(normal, weight), bias).outputs()


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
