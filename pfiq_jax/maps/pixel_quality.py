"""Pixel-level quality: which pixels of a face make it useful for recognition.

Source: Terhörst et al., "Pixel-Level Face Image Quality Assessment for Explainable Face Recognition", 2021 (PLQ), and
the code of its authors. A regressor made for one image, linear in its embedding, answers that image's quality; its
gradient with respect to the pixels, by magnitude, is the map; ours is smoothed.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.images import as_batch
from pfiq_jax.maps.smoothing import gaussian_blur, local_minimum, local_variance
from pfiq_jax.quality.methods import face_quality
from pfiq_jax.quality.ser_fiq import SER_FIQ_VARIANTS, normalize, safe_sqrt, ser_fiq_closed_form
from pfiq_jax.recognizers.recognizer import Recognizer

PUBLISHED_A = 10**7.5  # a map of 0.5 at a gradient of 10**-3.75 per grey level
# 0.5 at the median pixel of LFW faces on the bundled network (benchmarks/map_scale.py)
LEAST_NORM_A = 10**8.6
MAP_SIGMA = 4.0  # pixels
FLAT_SIZE = 5  # pixels
SENSOR_NOISE = 1.0  # grey levels
LEAST_QUALITY = 1e-4


class PixelQuality(NamedTuple):
    """A face's quality and where it comes from.

    Attributes:
        quality: one score an image, as the quality function gives it; higher is better.
        gradient: (height, width, 3) an image, of the regressor's answer, per grey level of RGB 0..255.
        map: (height, width) an image, in [0, 1]: a pixel's quality; higher is better. A magnitude: it tells how much
            a pixel moves the quality, not which way.
    """

    quality: Float[Array, "*batch"]
    gradient: Float[Array, "*batch height width 3"]
    map: Float[Array, "*batch height width"]


def pixel_quality(
    recognizer: Recognizer,
    images: ArrayLike,
    *,
    quality: ArrayLike | Callable[[Recognizer, Array], Array] | None = None,
    regressor: Literal["least_norm", "published"] = "least_norm",
    saliency: Literal["smoothed", "magnitude"] | None = None,
    a: float | None = None,
    b: float = 2.0,
) -> PixelQuality:
    """Quality and its pixel map, from one forward and one backward pass of the network; higher is better in both.

    The regressor has weights w with w . e = Q: it answers the quality Q of this very image from its embedding e. Its
    gradient S with respect to the pixels gives the map 1 - 1 / (1 + a s^b), with s its ``saliency``.

    - "published" (PLQ, exactly): equal weights Q / sum(e) on the normalised embedding, without the head's last
      BatchNorm. The sum of an embedding may lie anywhere near 0, so the scale of S is arbitrary and the maps of two
      images cannot be compared (on ten published MagFace embeddings it varies 37-fold, the map's argument 1300-fold).
    - "least_norm": of all weights that answer Q, the shortest, w = Q y / |y|^2, on the embedding y as it is. They are
      unique, they turn with the embedding space and stretch against it, and S is Q times the gradient of log |y|: by
      how much of itself a pixel lengthens the embedding. The length of an ArcFace embedding is known to follow
      quality (Meng et al., MagFace, CVPR 2021).

    The saliency s of a pixel is

    - "smoothed": the mean over RGB of |S|, smoothed by a Gaussian of 4 pixels, since a gradient scatters from pixel to
      pixel and utility does not. Where all is flat, to below the noise of a sensor, there is nothing to recognise,
      whatever the gradient says: s is multiplied by d / (d + 1) with d the least standard deviation, in grey levels,
      of the 5x5 squares that hold the pixel. By insertion and deletion this map leads random orders by half as much
      again as the published one (``benchmarks/SCORES_AND_MAPS.md``).
    - "magnitude" (PLQ): the mean over RGB of |S|. For "least_norm" times sqrt(dim), by which PLQ's weights are longer
      than these for an embedding whose sum is 1, the root mean square of random directions.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        quality: scores of the images, or a function (recogniser, images) -> scores, which is given the features that
            are already there. None for ``face_quality``, with "published" for SER-FIQ as PLQ has it (closed form,
            dropout 0.5, no last BatchNorm, the published scale).
        regressor: how the weights come from the score.
        saliency: what of the gradient the map shows. None for "smoothed", with "published" for "magnitude".
        a: scale of the map, in 1 / (s ** b). None for the published 10**7.5, or with "least_norm" for that with which
            the median pixel of LFW faces gets 0.5 from the bundled network.
        b: exponent of the map.

    Raises:
        PfiqError: for images that do not fit, another number of scores than images, or an unknown option.

    References:
        Terhörst et al. 2021, section 3 and figure 1; meaning of S and w as there.
    """
    check_choice("regressor", regressor, ("least_norm", "published"))
    published = regressor == "published"
    if saliency is None:
        saliency = "magnitude" if published else "smoothed"
    check_choice("saliency", saliency, ("smoothed", "magnitude"))
    batch = as_batch(images, recognizer.preprocessing.size)
    features, pull_to_pixels = jax.vjp(recognizer.features, batch)

    if quality is None:
        quality = _plq_quality if published else face_quality
    if callable(quality):
        quality = quality(recognizer.with_features(features), batch)
    scores = jnp.ravel(jnp.asarray(quality, jnp.float32))
    if scores.shape != (len(batch),):
        raise PfiqError(f"quality has shape {scores.shape} for {len(batch)} images; give one score an image.")

    def regressed(features: Array) -> Array:
        if published:
            return normalize(recognizer.without_output_norm().head(features))
        return recognizer.head(features)

    embedding, pull_to_features = jax.vjp(regressed, features)
    weigh = equal_weights if published else least_norm_weights
    (gradient,) = pull_to_pixels(*pull_to_features(weigh(embedding, scores)))
    stretch = 1 if published else math.sqrt(embedding.shape[-1])
    shown = stretch * jnp.mean(jnp.abs(gradient), -1)
    if saliency == "smoothed":
        shown = (gaussian_blur(shown[..., None], MAP_SIGMA) * structure(batch))[..., 0]
    if a is None:
        a = PUBLISHED_A if published else LEAST_NORM_A

    lead = jnp.shape(images)[:-3]
    return PixelQuality(
        scores.reshape(lead),
        gradient.reshape(*lead, *gradient.shape[1:]),
        squash(shown, a=a, b=b).reshape(*lead, *gradient.shape[1:3]),
    )


def equal_weights(embedding: Float[Array, "batch dim"], quality: Float[Array, " batch"]) -> Float[Array, "batch dim"]:
    """PLQ's weights of the regressor: one and the same for all dimensions, Q / sum(e)."""
    total = jnp.sum(embedding, -1)
    guarded = jnp.where(jnp.abs(total) < 1e-12, 1e-12, total)
    return jnp.broadcast_to((quality / guarded)[:, None], embedding.shape)


def least_norm_weights(
    embedding: Float[Array, "batch dim"], quality: Float[Array, " batch"]
) -> Float[Array, "batch dim"]:
    """The shortest weights that answer Q: Q y / |y|^2; a Q nearer to 0 than 1e-4 counts as 1e-4.

    Without the floor, maps of networks on which SER-FIQ's published scale gives 1e-20 would underflow and lose all
    order of their pixels.
    """
    squared_norm = jnp.maximum(jnp.sum(jnp.square(embedding), -1, keepdims=True), 1e-12)
    answered = jnp.where(jnp.abs(quality) < LEAST_QUALITY, LEAST_QUALITY, quality)  # some scores are negative
    return answered[:, None] * embedding / squared_norm


def quality_map(
    gradient: Float[Array, "*batch height width 3"], *, a: float = PUBLISHED_A, b: float = 2.0
) -> Float[Array, "*batch height width"]:
    """PLQ's map v of a gradient per grey level: 1 - 1 / (1 + a S^b), S the mean magnitude over RGB; in [0, 1].

    By default v(10**-3.75) is 0.5.
    """
    return squash(jnp.mean(jnp.abs(gradient), -1), a=a, b=b)


def squash(saliency: Float[Array, "*shape"], *, a: float, b: float) -> Float[Array, "*shape"]:
    """1 - 1 / (1 + a s^b), from 0 or more to [0, 1]."""
    stretched = jnp.minimum(a * saliency**b, 1e30)
    return stretched / (1 + stretched)  # the same without the cancellation of a small s


def structure(images: Float[Array, "batch height width 3"]) -> Float[Array, "batch height width 1"]:
    """0 where an image is flat, towards 1 where it has structure: d / (d + 1) of the least deviation around a pixel.

    The least of all squares that hold the pixel, so that the edge of something flat counts as flat on its inside.
    """
    grey = jnp.mean(images, -1, keepdims=True)
    deviation = safe_sqrt(local_minimum(local_variance(grey, FLAT_SIZE), FLAT_SIZE))
    return deviation / (deviation + SENSOR_NOISE)


def _plq_quality(recognizer: Recognizer, images: Array) -> Array:
    return ser_fiq_closed_form(recognizer, images, **SER_FIQ_VARIANTS["plq"])
