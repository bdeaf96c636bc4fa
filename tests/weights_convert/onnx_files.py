"""Small ONNX files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Node = tuple[str, Sequence[str], str, Mapping[str, Any]]
BATCHNORM = ("scale", "bias", "mean", "var")


def numbers(*shape: int, start: int = 1) -> np.ndarray:
    """Floats that differ from each other, and are exact in any float format."""
    return np.arange(start, start + np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


CONV: Node = ("Conv", ["data", "w"], "y", {})
KERNEL = {"w": numbers(2, 3, 1, 1)}


def write(
    path: Path,
    nodes: Sequence[Node],
    arrays: Mapping[str, np.ndarray],
    *,
    opset: int = 21,
    inputs: Sequence[str] = ("data",),
) -> Path:
    """Writes nodes, each (operation, inputs, output, attributes), and arrays as a graph from ``data`` to ``y``."""
    import onnx

    value = onnx.helper.make_empty_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operation, ins, [out], **attributes) for operation, ins, out, attributes in nodes],
        "graph",
        [value(name) for name in inputs],
        [value("y")],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)]), path)
    return path
