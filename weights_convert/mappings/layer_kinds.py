"""The kinds of layers, and how their arrays become the library's parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from einops import rearrange

Layout = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        operation: the operation in a graph: "conv", "norm", "prelu" or "dense".
        channels_first: for each parameter, the function that converts an array of torch, MXNet or ONNX.
        channels_last: for each parameter, the function that converts an array of Keras.
    """

    operation: str
    channels_first: Mapping[str, Layout]
    channels_last: Mapping[str, Layout]


def with_kernel(operation: str, channels_first: str, channels_last: str, *, bias: bool = False) -> Kind:
    """A kind of layer with a kernel, whose axes are permuted by einops patterns, and optionally a bias."""
    sizes = {"h": 7, "w": 7} if "(" in channels_first else {}

    def layouts(pattern: str) -> dict[str, Layout]:
        return {"kernel": partial(rearrange, pattern=pattern, **sizes), **({"bias": same} if bias else {})}

    return Kind(operation, layouts(channels_first), layouts(channels_last))


def same(array: np.ndarray) -> np.ndarray:
    """The array itself, for vectors (channels,)."""
    return array


def slopes_first(array: np.ndarray) -> np.ndarray:
    """The slopes of a PReLU, from (channels,) or (channels, 1, 1) to (channels,)."""
    return array.reshape(-1)


def slopes_last(array: np.ndarray) -> np.ndarray:
    """The slopes of a PReLU, from (channels,) or (height, width, channels) with equal slopes everywhere to (channels,).

    An array whose slopes differ between positions is returned unchanged.
    """
    positions = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array[None]
    return positions[0] if len(positions) and (positions == positions[0]).all() else array


CONV = with_kernel("conv", "o i h w -> h w i o", "h w i o -> h w i o")
BIASED_CONV = with_kernel("conv", "o i h w -> h w i o", "h w i o -> h w i o", bias=True)
POINTWISE = with_kernel("conv", "o i 1 1 -> i o", "1 1 i o -> i o")
BIASED_POINTWISE = with_kernel("conv", "o i 1 1 -> i o", "1 1 i o -> i o", bias=True)
DEPTHWISE = with_kernel("conv", "c 1 h w -> h w c", "h w c 1 -> h w c")
BIASED_DEPTHWISE = with_kernel("conv", "c 1 h w -> h w c", "h w c 1 -> h w c", bias=True)
DENSE = with_kernel("dense", "d (c h w) -> h w c d", "(h w c) d -> h w c d", bias=True)
POOLED_DENSE = with_kernel("dense", "d c -> 1 1 c d", "c d -> 1 1 c d", bias=True)
UNBIASED_POOLED_DENSE = with_kernel("dense", "d c -> 1 1 c d", "c d -> 1 1 c d")
LINEAR = with_kernel("dense", "o i -> i o", "i o -> i o", bias=True)
NORM = Kind("norm", *[dict.fromkeys(("scale", "bias", "mean", "var"), same)] * 2)
PRELU = Kind("prelu", {"slope": slopes_first}, {"slope": slopes_last})
