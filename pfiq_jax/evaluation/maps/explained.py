"""Scores and maps of many faces."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.maps.pixel_quality import PixelQuality
from pfiq_jax.recognizers.recognizer import Recognizer

MapFunction = Callable[[Recognizer, Any], PixelQuality]
"""``compute`` of a record of ``MAP_METHODS``."""


class Explained(NamedTuple):
    """The scores and the maps that a map method returns for faces.

    Attributes:
        quality: one score per face; higher is better.
        map: (height, width) per face, in [0, 1]; higher is better.
    """

    quality: Float[np.ndarray, " faces"]
    map: Maps


def explain_faces(method: MapFunction, recognizer: Recognizer, images: Images) -> Explained:
    """Scores and maps of faces, without the gradients, which would fill the memory.

    Args:
        method: ``compute`` of one of ``MAP_METHODS``.
        recognizer: the network that the maps explain.
        images: RGB, 0..255, at least one.
    """

    def without_gradient(batch: np.ndarray) -> Explained:
        result = method(recognizer, batch)
        return Explained(np.asarray(result.quality), np.asarray(result.map))

    return in_batches(without_gradient, images)
