"""From the axes of torch, MXNet and ONNX to the library's."""

import numpy as np


def same(array: np.ndarray) -> np.ndarray:
    """Vectors: (channels,)."""
    return array


def slopes(array: np.ndarray) -> np.ndarray:
    """PReLU: (channels,) or (channels, 1, 1) to (channels,)."""
    return array.reshape(-1)


def convolution(array: np.ndarray) -> np.ndarray:
    """(out, in, height, width) to (height, width, in, out)."""
    return array.transpose(2, 3, 1, 0)


def depthwise(array: np.ndarray) -> np.ndarray:
    """(channels, 1, height, width) to (height, width, channels)."""
    return array.squeeze(1).transpose(1, 2, 0)


def pointwise(array: np.ndarray) -> np.ndarray:
    """(out, in, 1, 1) to (in, out), a matrix product."""
    return array.squeeze((2, 3)).T


def dense(array: np.ndarray) -> np.ndarray:
    """(dim, channels * 7 * 7), flattened from CHW, to (7, 7, channels, dim)."""
    return array.reshape(len(array), -1, 7, 7).transpose(2, 3, 1, 0)
