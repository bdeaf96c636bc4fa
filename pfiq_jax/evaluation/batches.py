"""A jitted function over many faces on the host, in batches of one shape."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Shaped

from pfiq_jax.maps.methods import MapMethod
from pfiq_jax.recognizers.recognizer import Recognizer

CPU_BATCH_SIZE = 16
ACCELERATOR_BATCH_SIZE = 256


def batches(count: int) -> Iterator[tuple[np.ndarray, int]]:
    """Indices of the faces of each batch, and how many of them count.

    All batches are of one size, so that nothing compiles twice, and as even as can be; the last one is filled up with
    its last face.

    Args:
        count: of faces; 1 or more.
    """
    limit = CPU_BATCH_SIZE if jax.default_backend() == "cpu" else ACCELERATOR_BATCH_SIZE
    size = math.ceil(count / math.ceil(count / limit))
    for start in range(0, count, size):
        yield np.minimum(np.arange(start, start + size), count - 1), min(size, count - start)


def in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """What a function of batches gives for all rows of arrays, as numpy arrays on the host.

    Args:
        function: of as many arrays as there are, best jitted; gives a pytree of arrays with one row a face.
        arrays: of equally many rows, at least one.
    """
    parts = [
        jax.tree.map(lambda leaf, real=real: np.asarray(leaf)[:real], function(*(array[rows] for array in arrays)))
        for rows, real in batches(len(arrays[0]))
    ]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


class Explained(NamedTuple):
    """What a map method says of each face.

    Attributes:
        quality: one score a face; higher is better.
        map: (height, width) a face; higher is better.
    """

    quality: Float[np.ndarray, " faces"]
    map: Float[np.ndarray, "faces height width"]


def explain_faces(
    method: MapMethod, recognizer: Recognizer, images: Shaped[np.ndarray, "faces height width 3"]
) -> Explained:
    """Qualities and maps of RGB images, 0..255, at least one, without the gradients, which would fill the memory."""
    explain = jax.jit(method)

    def without_gradient(batch: np.ndarray) -> Explained:
        result = explain(recognizer, batch)
        return Explained(result.quality, result.map)

    return in_batches(without_gradient, images)
