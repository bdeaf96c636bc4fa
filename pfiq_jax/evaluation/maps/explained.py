"""Scores and maps of many faces."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.maps.pixel_quality import PixelQuality
from pfiq_jax.recognizers.recognizer import Recognizer

MapFunction = Callable[[Recognizer, Any], PixelQuality]
"""``compute`` of a record of ``MAP_METHODS``."""


class Explained(NamedTuple):
    """The scores and the maps that a map method returns for faces.

    Attributes:
        quality: one score per face; higher is better. Controls have no score, so theirs is NaN.
        map: (height, width) per face, in [0, 1]; higher is better.
        deficit: (height, width) per face, in [0, 1], 1 is worst; None for a method or a recogniser without one.
    """

    quality: Float[np.ndarray, " faces"]
    map: Maps
    deficit: Maps | None = None

    def of(self, faces: Int[np.ndarray, " chosen"]) -> "Explained":
        """The scores and maps of some of the faces, by index."""
        deficit = None if self.deficit is None else self.deficit[faces]
        return Explained(self.quality[faces], self.map[faces], deficit)


Explain = Callable[[Images], Explained]
"""A map method or a control, as a function of all faces of an evaluation, in their order, disturbed or not."""

PerFace = dict[tuple[str, str], Shaped[np.ndarray, " faces"]]
"""One number per face, by the name of a method or a control, and by the name of a measure."""


def explain_faces(method: MapFunction, recognizer: Recognizer, images: Images) -> Explained:
    """Scores and maps of faces. Gradients are left out, since they would fill the memory.

    Args:
        method: ``compute`` of one of ``MAP_METHODS``.
        recognizer: the network that the maps explain.
        images: RGB, 0..255, at least one.
    """

    def without_gradient(batch: np.ndarray) -> Explained:
        result = method(recognizer, batch)
        deficit = None if result.deficit is None else np.asarray(result.deficit)
        return Explained(np.asarray(result.quality), np.asarray(result.map), deficit)

    return in_batches(without_gradient, images)
