"""The operations that ONNX graphs apply to stored arrays, each from arrays to one array."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np


def constant(**attributes: Any) -> np.ndarray:
    """The value of a ``Constant``, whichever attribute holds it."""
    from onnx import numpy_helper

    ((kind, value),) = attributes.items()
    if kind == "value":
        return numpy_helper.to_array(value)
    return np.asarray(value, {"f": np.float32, "i": np.int64}[kind.removeprefix("value_")[0]])


def identity(x: np.ndarray) -> np.ndarray:
    """``x``; exporters use it to share equal arrays."""
    return x


def cast(x: np.ndarray, *, to: int, **_: Any) -> np.ndarray:
    """``x`` converted to another dtype."""
    from onnx.helper import tensor_dtype_to_np_dtype

    return x.astype(tensor_dtype_to_np_dtype(to))


def reshape(x: np.ndarray, shape: np.ndarray, *, allowzero: int = 0) -> np.ndarray:
    """``x`` in another shape, where a zero keeps the length of the axis."""
    return x.reshape([n if n or allowzero else x.shape[axis] for axis, n in enumerate(shape.tolist())])


def unsqueeze(x: np.ndarray, given: np.ndarray | None = None, *, axes: Any = ()) -> np.ndarray:
    """``x`` with new axes, which are an attribute before opset 13 and an input after it."""
    return np.expand_dims(x, tuple(axes if given is None else given.tolist()))


def squeeze(x: np.ndarray, given: np.ndarray | None = None, *, axes: Any = None) -> np.ndarray:
    """``x`` without axes of length one: the given ones (see ``unsqueeze``), or all."""
    named = axes if given is None else given.tolist()
    return x.squeeze(None if named is None else tuple(named))


def transpose(x: np.ndarray, *, perm: Any = None) -> np.ndarray:
    """``x`` with its axes permuted, by default reversed."""
    return x.transpose(perm)


def dequantize(
    x: np.ndarray,
    scale: np.ndarray,
    zero_point: np.ndarray | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    **_: Any,
) -> np.ndarray:
    """``(x - zero_point) * scale`` in float32, as defined by ONNX's ``DequantizeLinear``.

    Args:
        x: quantised array of any shape.
        scale: one number for all of ``x``; or one number per index of ``axis``; or, with a ``block_size``, an array
            with the shape of ``x`` except along ``axis``, where each entry applies to ``block_size`` entries of ``x``.
        zero_point: array with the shape of ``scale``.
        axis: see ``scale``.
        block_size: see ``scale``.

    Raises:
        ValueError: if the shapes are not compatible.
    """
    y = x.astype(np.float32)
    if zero_point is not None:
        y -= _spread(zero_point, x.shape, axis, block_size)
    y *= _spread(scale, x.shape, axis, block_size)
    return y


def quantize(
    x: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, *, axis: int = 1, block_size: int = 0, **_: Any
) -> np.ndarray:
    """The inverse of ``dequantize``, rounded and clipped to the dtype of ``zero_point``."""
    y = np.rint(x.astype(np.float32) / _spread(scale, x.shape, axis, block_size))
    y += _spread(zero_point, x.shape, axis, block_size)
    limits = jnp.iinfo(zero_point.dtype)
    return y.clip(limits.min, limits.max).astype(zero_point.dtype)


def _spread(parameter: np.ndarray, shape: tuple[int, ...], axis: int, block_size: int) -> np.ndarray:
    """The parameter in a shape that broadcasts to ``shape`` and is not larger."""
    parameter = parameter.astype(np.float32)
    if parameter.size == 1:
        return parameter.reshape(())
    length = shape[axis]
    before, after = shape[: axis % len(shape)], shape[axis % len(shape) + 1 :]
    if block_size > 0 and parameter.shape == (*before, -(-length // block_size), *after):
        return parameter.take(np.arange(length) // block_size, axis)
    if block_size == 0 and parameter.shape == (length,):
        return parameter.reshape(length, *(1 for _ in after))
    raise ValueError(f"scales of shape {parameter.shape} for an array of shape {shape}, axis {axis}")


FOLDS: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {
        "Constant": constant,
        "Identity": identity,
        "Cast": cast,
        "Reshape": reshape,
        "Unsqueeze": unsqueeze,
        "Squeeze": squeeze,
        "Transpose": transpose,
        "DequantizeLinear": dequantize,
        "QuantizeLinear": quantize,
    }
)
