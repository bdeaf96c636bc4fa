"""``.onnx`` graphs, block-quantised ones included."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weights_convert.readers.source import Source

QUANTISED_SUFFIX = "_quantized"  # that ONNX quantisers put behind the name of the array they replace


def read(path: Path) -> Source:
    """The arrays that the graph computes with, and the float attributes of its nodes as ``node.attribute``.

    A quantised array is multiplied out to float32 and goes by the name it had before.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    if not graph.node:  # protobuf takes an empty file for an empty message
        raise ValueError("it holds no graph")
    values = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
    names = {name: name for name in values}
    arrays: dict[str, np.ndarray] = {}
    for node in graph.node:
        inputs = [name for name in node.input if name]
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type in CONSTANT_FOLDS and all(name in values for name in inputs):
            output = node.output[0]
            values[output] = CONSTANT_FOLDS[node.op_type](*(values[name] for name in inputs), **attributes)
            names[output] = names[inputs[0]].removesuffix(QUANTISED_SUFFIX)
            continue
        for name in inputs:
            if name in values and arrays.setdefault(names[name], values[name]) is not values[name]:
                raise ValueError(f"two arrays go by the name {names[name]}")
    return Source(
        path,
        {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in arrays.items()},
        {
            f"{node.name or node.output[0]}.{attribute.name}": _shortest(attribute.f)
            for node in graph.node
            for attribute in node.attribute
            if attribute.type == onnx.AttributeProto.FLOAT
        },
    )


def dequantize(
    x: np.ndarray, scale: np.ndarray, zero_point: Any = 0, *, axis: int = 1, block_size: int = 0, **_: Any
) -> np.ndarray:
    """``(x - zero_point) * scale`` in float32, by the rules of ONNX's ``DequantizeLinear``.

    Args:
        x: quantised array of any shape.
        scale: one for all of ``x``; or one an index of ``axis``; or, with a ``block_size``, shaped like ``x`` but for
            ``axis``, where each of its entries serves ``block_size`` entries of ``x``.
        zero_point: shaped like ``scale``.
        axis: see ``scale``.
        block_size: see ``scale``.
    """

    def spread(parameter: Any) -> np.ndarray:
        parameter = np.asarray(parameter, np.float32)
        if block_size and parameter.ndim:
            return np.repeat(parameter, block_size, axis).take(range(x.shape[axis]), axis)
        if parameter.ndim == 1 and parameter.size > 1:
            return np.expand_dims(parameter, [other for other in range(x.ndim) if other != axis % x.ndim])
        return parameter

    return (x.astype(np.float32) - spread(zero_point)) * spread(scale)


def _reshape(x: np.ndarray, shape: np.ndarray, **_: Any) -> np.ndarray:
    return x.reshape(shape)


def _shortest(number: float) -> float:
    """The decimal that someone wrote, where the file holds the float32 nearest to it."""
    return float(str(np.float32(number)))


CONSTANT_FOLDS: Mapping[str, Callable[..., np.ndarray]] = {"DequantizeLinear": dequantize, "Reshape": _reshape}
