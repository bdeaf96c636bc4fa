"""From the axes of torch, MXNet and ONNX to the library's."""

import numpy as np
from einops import rearrange


def same(array: np.ndarray) -> np.ndarray:
    """Vectors: (channels,)."""
    return array


def slopes(array: np.ndarray) -> np.ndarray:
    """PReLU: (channels,) or (channels, 1, 1) to (channels,)."""
    return array.reshape(-1)


def convolution(array: np.ndarray) -> np.ndarray:
    """(out, in, height, width) to (height, width, in, out)."""
    return rearrange(array, "o i h w -> h w i o")


def depthwise(array: np.ndarray) -> np.ndarray:
    """(channels, 1, height, width) to (height, width, channels)."""
    return rearrange(array, "c 1 h w -> h w c")


def pointwise(array: np.ndarray) -> np.ndarray:
    """(out, in, 1, 1) to (in, out), a matrix product."""
    return rearrange(array, "o i 1 1 -> i o")


def dense(array: np.ndarray) -> np.ndarray:
    """(dim, channels * 7 * 7), flattened from CHW, to (7, 7, channels, dim)."""
    return rearrange(array, "d (c h w) -> h w c d", h=7, w=7)
