"""Single faces compared with the activation maps of faces of high quality, which ``pfiq activations`` wrote."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from pfiq_jax.errors import PfiqError
from pfiq_jax.maps import ACTIVATION_METHODS
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.variation.comparison import deviation, deviation_scores
from pfiq_jax.variation.region import central_face
from pfiq_jax.variation.variation import Variation
from pfiq_jax.variation.variation_file import load_variation


class Compared(NamedTuple):
    """The activation map of a face, and how far it deviates from the mean map of faces of high quality.

    Attributes:
        activation: the activation map, in [0, 1].
        deviation: per pixel, 0..1; higher is further from the faces of high quality.
        whole: mean deviation of all pixels.
        outside: mean deviation of the pixels outside the central face.
    """

    activation: Float[np.ndarray, "height width"]
    deviation: Float[np.ndarray, "height width"]
    whole: float
    outside: float


def identity(recognizer: Recognizer) -> str:
    """A text that differs between recognisers: the name and the SHA-256 digest of the source of the weights."""
    origin = recognizer.provenance
    return f"{origin.source or recognizer} {origin.source_sha256}".rstrip()


def load_reference(path: Path, recognizer: Recognizer) -> Variation:
    """The statistics of faces of high quality, after a check that they were made with this recogniser.

    Raises:
        PfiqError: for a file that cannot be read, that does not state its activation map, or that was made with
            another recogniser.
    """
    good = load_variation(path)
    if good.metadata.get("activations") not in ACTIVATION_METHODS:
        raise PfiqError(f"{path}: does not state its activation map; write the file again with `pfiq activations`.")
    if (other := good.metadata.get("recognizer")) != identity(recognizer):
        raise PfiqError(f"{path}: was made with another recogniser, {other}; give that one, or write the file again.")
    return good


def compare(good: Variation, recognizer: Recognizer, image: UInt8[np.ndarray, "height width 3"]) -> Compared:
    """Compares one face with faces of high quality.

    Args:
        good: as ``load_reference`` returns it.
        recognizer: the one that ``good`` was made with.
        image: RGB, 0..255, aligned.
    """
    activation = np.asarray(ACTIVATION_METHODS[good.metadata["activations"]].compute(recognizer, image))
    away = deviation(good, activation)
    whole, outside = deviation_scores(away[None], central_face(recognizer.preprocessing))
    return Compared(activation, away, float(whole[0]), float(outside[0]))
