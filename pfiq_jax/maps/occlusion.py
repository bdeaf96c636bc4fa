"""Exhaustive occlusion: how much the embedding changes when a square of the face is blurred."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from pfiq_jax.bounds import relu
from pfiq_jax.errors import PfiqError
from pfiq_jax.maps.pixel_quality import PixelQuality, pixel_quality, squash
from pfiq_jax.maps.smoothing import blurred_fill
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import normalize

HALF_LOSS = 0.01


@per_face
def occlusion(recognizer: Recognizer, images: Images, *, side: int = 16, step: int = 8) -> PixelQuality:
    """How much the cosine to the image's own embedding falls when the squares around a pixel are blurred.

    Higher is better. Squares are replaced by the blurred image one at a time. The loss of a square is the decrease of
    the cosine. The loss of a pixel is the mean loss of the squares that contain it. The map is 0.5 where this loss is
    0.01. Deterministic. Quality and gradient are those of ``pixel_quality``.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``. At least ``side`` pixels high and wide.
        side: of the squares, in pixels, at least 1.
        step: from one square to the next, in pixels, at least 1 and at most ``side``, so that no pixel is left out.

    Raises:
        PfiqError: for sides and steps out of range, and for images of another shape, dtype or range.

    References:
        Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    """
    if not 1 <= step <= side:
        raise PfiqError(f"side is {side} and step is {step}; give 1 <= step <= side.")
    start = pixel_quality(recognizer, images)
    seen = recognizer.forward(images)
    own, blurred = normalize(seen.embedding), blurred_fill(seen.images)
    squares = _squares(recognizer.preprocessing.size, side, step)

    def loss(square: Bool[Array, "height width"]) -> Float[Array, " batch"]:
        occluded = jnp.where(square[None, :, :, None], blurred, seen.images)
        return 1 - jnp.sum(normalize(recognizer.embed(occluded)) * own, -1)

    weights = (squares / squares.sum(0)).astype(np.float32)
    losses = jnp.einsum("sb,shw->bhw", jax.lax.map(loss, squares), weights, precision="highest")
    return PixelQuality(start.quality, start.gradient, squash(relu(losses), a=1 / HALF_LOSS, b=1.0))


def _squares(size: tuple[int, int], side: int, step: int) -> Bool[np.ndarray, "squares height width"]:
    """All squares of a grid that reaches both ends of the image."""
    rows, columns = (_intervals(length, side, step) for length in size)
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(-1, *size)


def _intervals(length: int, side: int, step: int) -> Bool[np.ndarray, "intervals length"]:
    starts = np.array(sorted({*range(0, length - side + 1, step), length - side}))[:, None]
    places = np.arange(length)[None]
    return (places >= starts) & (places < starts + side)
