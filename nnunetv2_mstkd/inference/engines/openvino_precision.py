"""What stays in float32 of OpenVINO's graph where all else is bfloat16: its end (L3)."""

import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

_MARK = "float32/"  # of a name, in the graph that is written
_ATTRIBUTE = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:dynamic"}
_MAY_LIE_BETWEEN = ("Add", "Multiply", "PRelu", "MVN")  # a norm's operations, and its activation


def keep_end_in_float32(model: Any) -> Any:
    """Return a graph whose last convolution is one of float32, with the norm before it and what that norm is given.

    No layer behind averages what they round: on a trained network that is most of the error of its logits. In float32
    they cost little: the convolution before them is as fast as it was, as only what it gives is float32, in which its
    units sum anyway. A graph with another end is changed as far as it is alike.

    Args:
        model: an `openvino.Model`; it is changed.
    """
    for result in model.get_results():
        if convolution := _mark_up_to("Convolution", result):
            norm = _mark_up_to("MVN", convolution)
            _widen(convolution)
            if norm:
                _widen(norm)
    return _read_with_attributes(model)


def _mark_up_to(kind: str, node: Any) -> Any:
    """Mark what leads to the first input of a node, up to an operation of a kind; return that, or None."""
    while (node := node.input_value(0).get_node()).get_type_name() in (kind, *_MAY_LIE_BETWEEN):
        _mark(node)
        if node.get_type_name() == kind:
            return node
    return None


def _widen(node: Any) -> None:
    """Let what gives a node its first input give it in float32, though it computes in bfloat16.

    Its type is that of the operation that is fused to its end: here one that changes nothing.
    """
    from openvino import opset13

    given, most = node.input(0), float(np.finfo(np.float32).max)
    unchanged = opset13.clamp(given.get_source_output(), -most, most)
    _mark(unchanged)
    given.replace_source_output(unchanged.output(0))


def _mark(node: Any) -> None:
    node.set_friendly_name(_MARK + node.get_friendly_name())


def _read_with_attributes(model: Any) -> Any:
    """Write a graph, tell what is marked to keep its precision, and read it: in Python no node can be told."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        graph, weights = Path(folder, "graph.xml"), Path(folder, "graph.bin")
        openvino.serialize(model, graph, weights)
        tree = ElementTree.parse(graph).getroot()
        for layer in tree.iterfind("layers/layer"):
            if layer.get("name", "").startswith(_MARK):
                told = layer.find("rt_info")
                if told is None:
                    told = ElementTree.Element("rt_info")
                    layer.insert(1, told)  # behind the layer's data
                ElementTree.SubElement(told, "attribute", _ATTRIBUTE)
        content = openvino.Tensor(np.fromfile(weights, np.uint8))
        return openvino.Core().read_model(ElementTree.tostring(tree), content)
