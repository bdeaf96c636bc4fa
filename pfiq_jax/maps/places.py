"""Maps of the places of single layers: contributions at one resolution, and exact contributions of units.

Alternatives to the default map, which combines three resolutions.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.maps.contribution import explain_layers
from pfiq_jax.maps.pixel_quality import (
    HALF_CONTRIBUTIONS,
    PixelQuality,
    pixel_quality,
    quality_weight,
    squash,
    strength_of,
)
from pfiq_jax.maps.regressors import DEFAULT_REGRESSOR
from pfiq_jax.quality.methods import face_quality
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, normalize


@per_face
def layer_contribution(recognizer: Recognizer, images: Images, *, resolution: int) -> PixelQuality:
    """What places contribute to the embedding at one resolution of the trunk; higher is better.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        resolution: 2, 3 or 4, numbered as the blocks of ``grafiqs``: 28x28, 14x14 and 7x7 places on most networks. A
            custom network has only one.

    Raises:
        PfiqError: for images of another shape, dtype or range.
    """
    pixels = recognizer.forward(images).images
    explained = explain_layers(recognizer, pixels)
    logs = explained.log_contributions[max(resolution - 5, -len(explained.log_contributions))]
    scores = face_quality(recognizer, explained.seen)
    weight = quality_weight(recognizer, scores)[:, None, None]
    strength = strength_of(_enlarged(logs, pixels), weight)
    scale = HALF_CONTRIBUTIONS[DEFAULT_REGRESSOR] ** -2.0
    return PixelQuality(scores, weight[..., None] * explained.gradient, squash(strength, a=scale, b=2.0))


@per_face
def unit_contribution(
    recognizer: Recognizer, images: Images, *, kind: Literal["exact", "coherence"] = "exact"
) -> PixelQuality:
    """The exact contributions of the units' places to the embedding y, which is affine in the units.

    A place p adds the vector c_p to the head's bias. "exact" shows its part along y, <c_p, y> / |y|, in units of the
    mean magnitude over places. 0.5 is no contribution; a lower value works against the embedding. "coherence" shows the
    cosine of c_p to the sum of the vectors of all other places, scaled from 0 (opposite) to 1: whether a place agrees
    with the others. It takes a product with the head's matrix per place. Heads that pool have one place, so their map
    is constant.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        kind: "exact" or "coherence".

    Raises:
        PfiqError: for images of another shape, dtype or range.
    """
    seen = recognizer.forward(images)
    parts = _parts(recognizer, seen.units)
    if kind == "exact":
        along = jnp.sum(parts * normalize(seen.embedding)[:, None], -1)
        worth = jax.nn.sigmoid(along / at_least(jnp.mean(jnp.abs(along), 1, keepdims=True), TINY))
    else:
        others = jnp.sum(parts, 1, keepdims=True) - parts
        worth = (1 + jnp.sum(normalize(parts) * normalize(others), -1)) / 2
    rows, columns = seen.units.shape[1:3] if seen.units.ndim == 4 else (1, 1)
    result = pixel_quality(recognizer, seen.images)
    return result._replace(map=_enlarged(worth.reshape(-1, rows, columns), seen.images), deficit=None)


def _parts(recognizer: Recognizer, units: Float[Array, "batch *places channels"]) -> Float[Array, "batch place dim"]:
    """The vector that each place adds to the head's bias."""
    places = units.shape[1:-1]
    one_place = np.eye(int(np.prod(places)), dtype=np.float32).reshape(-1, 1, *places, 1)
    bias = recognizer.project(jnp.zeros_like(units))
    parts = jax.lax.map(lambda mask: recognizer.project(units * mask) - bias, jnp.asarray(one_place))
    return jnp.moveaxis(parts, 0, 1)


def _enlarged(
    values: Float[Array, "batch rows columns"], pixels: Float[Array, "batch height width 3"]
) -> Float[Array, "batch height width"]:
    return jax.image.resize(values, pixels.shape[:3], "linear")
