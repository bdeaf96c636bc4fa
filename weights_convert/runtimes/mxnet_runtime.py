"""Runs MXNet's graphs with torch, by the definitions of MXNet's operations."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pfiq_jax.errors import PfiqError
from weights_convert.readers.mxnet_symbol import NORM_EPSILON, VARIABLE, Node, read_symbol
from weights_convert.runtimes.outputs import Outputs
from weights_convert.source import Source

if TYPE_CHECKING:
    from torch import Tensor


def run(source: Source, pixels: np.ndarray, *, layers: bool = False) -> Outputs:
    """Embeddings, and the outputs of the layers with parameters.

    Args:
        source: the result of ``readers.read``.
        pixels: (batch, 3, height, width) float32, preprocessed as the graph requires.
        layers: whether to return the outputs of the layers.

    Raises:
        PfiqError: if the graph has an operation that is not in ``OPERATIONS``, or does not match its arrays or pixels.
    """
    import torch

    (symbol_path,) = source.companions  # every source of this format has a symbol
    symbol = read_symbol(symbol_path)
    last_reader = {used: node for node in symbol.operations for used in node.inputs}
    values = {symbol.data: torch.tensor(pixels)}
    outputs = {}
    for node in symbol.operations:
        if node.operation not in OPERATIONS:
            raise PfiqError(
                f"{symbol_path}: has the operation {node.operation!r}, which cannot be run here; "
                "convert it without --verify."
            )
        parameters = [used.name for used in node.inputs if used.operation == VARIABLE and used not in values]
        try:
            inputs = [values[used] if used in values else _parameter(source, used.name) for used in node.inputs]
            with torch.inference_mode():
                values[node] = OPERATIONS[node.operation](node, *inputs)
        except Exception as error:  # operations raise many types for damaged graphs
            reason = str(error).strip().split("\n")[0]
            raise PfiqError(
                f"{symbol_path}: its node {node.name!r} cannot be run ({reason}); convert it without --verify."
            ) from error
        if layers and parameters:
            outputs[parameters[0]] = values[node].numpy()
        for used in node.inputs:  # the outputs of all layers would take gigabytes
            if last_reader[used] is node:
                values.pop(used, None)
    return Outputs(values[symbol.operations[-1]].numpy(), layers=outputs)


def _parameter(source: Source, name: str) -> "Tensor":
    import torch

    if name not in source.arrays:
        raise ValueError(f"there is no array {name!r}")
    return torch.tensor(source.arrays[name], dtype=torch.float32)


def _activation(node: Node, x: "Tensor") -> "Tensor":
    kind = node.attributes.get("act_type")
    if kind not in ("relu", "sigmoid", "tanh"):
        raise ValueError(f"act_type {kind!r} is not known")
    return getattr(x, kind)()


def _batch_norm(node: Node, x: "Tensor", gamma: "Tensor", beta: "Tensor", mean: "Tensor", var: "Tensor") -> "Tensor":
    from torch.nn import functional

    return functional.batch_norm(x, mean, var, gamma, beta, eps=node.fraction("eps", NORM_EPSILON))


def _concat(node: Node, *inputs: "Tensor") -> "Tensor":
    import torch

    return torch.cat(inputs, int(node.number("dim", 1)))


def _convolution(node: Node, x: "Tensor", weight: "Tensor", bias: "Tensor | None" = None) -> "Tensor":
    from torch.nn import functional

    stride, pad, dilate = node.integers("stride", 1), node.integers("pad", 0), node.integers("dilate", 1)
    return functional.conv2d(x, weight, bias, stride, pad, dilate, int(node.number("num_group", 1)))


def _fully_connected(node: Node, x: "Tensor", weight: "Tensor", bias: "Tensor | None" = None) -> "Tensor":
    from torch.nn import functional

    return functional.linear(x.flatten(1) if node.flag("flatten", True) else x, weight, bias)


def _l2_normalization(node: Node, x: "Tensor") -> "Tensor":
    mode = node.attributes.get("mode", "instance")
    axes = {"instance": range(1, x.ndim), "channel": [1], "spatial": range(2, x.ndim)}[mode]
    return x / (x.square().sum(tuple(axes), keepdim=True) + node.number("eps", 1e-10)).sqrt()


def _leaky_relu(node: Node, x: "Tensor", gamma: "Tensor | None" = None) -> "Tensor":
    kind = node.attributes.get("act_type", "leaky")
    if kind == "prelu" and gamma is not None:
        return x.prelu(gamma.flatten())
    if kind == "leaky":
        return x.where(x > 0, node.number("slope", 0.25) * x)
    raise ValueError(f"act_type {kind!r} is not known")


def _pooling(node: Node, x: "Tensor") -> "Tensor":
    from torch.nn import functional

    kind = node.attributes.get("pool_type", "max")
    if kind not in ("max", "avg"):
        raise ValueError(f"pool_type {kind!r} is not known")
    if node.flag("global_pool", False):
        return x.amax((2, 3), keepdim=True) if kind == "max" else x.mean((2, 3), keepdim=True)
    kernel, stride, pad = node.integers("kernel", 0), node.integers("stride", 1), node.integers("pad", 0)
    ceil = node.attributes.get("pooling_convention", "valid") == "full"
    if kind == "max":
        return functional.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil)
    return functional.avg_pool2d(x, kernel, stride, pad, ceil, node.flag("count_include_pad", True))


OPERATIONS: Mapping[str, Callable[..., "Tensor"]] = MappingProxyType(
    {
        "Activation": _activation,
        "BatchNorm": _batch_norm,
        "BlockGrad": lambda node, x: x,
        "Concat": _concat,
        "Convolution": _convolution,
        "Dropout": lambda node, x: x,
        "Flatten": lambda node, x: x.flatten(1),
        "FullyConnected": _fully_connected,
        "L2Normalization": _l2_normalization,
        "LeakyReLU": _leaky_relu,
        "Pooling": _pooling,
        "_div_scalar": lambda node, x: x / node.number("scalar"),
        "_minus_scalar": lambda node, x: x - node.number("scalar"),
        "_mul_scalar": lambda node, x: x * node.number("scalar"),
        "_plus_scalar": lambda node, x: x + node.number("scalar"),
        "broadcast_add": lambda node, x, y: x + y,
        "broadcast_mul": lambda node, x, y: x * y,
        "elemwise_add": lambda node, x, y: x + y,
        "identity": lambda node, x: x,
    }
)
