"""Scores and maps of many faces."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Shaped

from pfiq_jax.faces.batches import in_batches
from pfiq_jax.maps.methods import MapMethod
from pfiq_jax.recognizers.recognizer import Recognizer


class Explained(NamedTuple):
    """The scores and the maps that a map method returns for faces.

    Attributes:
        quality: one score per face; higher is better.
        map: (height, width) per face, in [0, 1]; higher is better.
    """

    quality: Float[np.ndarray, " faces"]
    map: Float[np.ndarray, "faces height width"]


def explain_faces(
    method: MapMethod, recognizer: Recognizer, images: Shaped[np.ndarray, "faces height width 3"]
) -> Explained:
    """Scores and maps of faces, without the gradients, which would fill the memory.

    Args:
        method: one of ``MAP_METHODS``.
        recognizer: the network that the maps explain.
        images: RGB, 0..255, at least one.
    """
    explain = jax.jit(method)

    def without_gradient(batch: np.ndarray) -> Explained:
        result = explain(recognizer, batch)
        return Explained(result.quality, result.map)

    return in_batches(without_gradient, images)
