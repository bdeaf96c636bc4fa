"""Pixel-level quality: which pixels of a face make it useful for recognition.

Source: Terhörst et al., "Pixel-Level Face Image Quality Assessment for Explainable Face Recognition", 2021 (PLQ), and
the code of its authors. A regressor that is linear in the embedding is made for one image, so that it returns this
image's quality. The magnitude of its gradient by the pixels is the map. The default map here is smoothed.

The regressor has weights w with w . e = Q: from its embedding e it returns the quality Q of this very image. With its
gradient S by the pixels, the map is 1 - 1 / (1 + a s^b), where s is the saliency of a pixel. There are two regressors:

- "published" (PLQ, exactly): equal weights Q / sum(e) on the normalised embedding, without the head's last BatchNorm.
  The sum of an embedding may lie anywhere near 0, so the scale of S is arbitrary and the maps of two images cannot be
  compared. On ten published MagFace embeddings it varies 37-fold, the map's argument 1300-fold.
- "least_norm": of all weights with w . y = Q the shortest, w = Q y / |y|^2, on the embedding y as it is. They are
  unique, they rotate with the embedding space and scale inversely with it, and S is Q times the gradient of log |y|:
  the relative change of the embedding's length per grey level. The length of an ArcFace embedding is known to follow
  quality (Meng et al., MagFace, CVPR 2021).

And two saliencies:

- "smoothed": the mean over RGB of |S|, smoothed by a Gaussian of 4 pixels, since gradients scatter from pixel to pixel
  and utility does not. Where the image is flat there is nothing to recognise, whatever the gradient is, so s is
  multiplied by d / (d + 1). Here d is the least standard deviation, in grey levels, of the 5x5 squares that contain
  the pixel. By insertion and deletion this map leads random orders by about 1.5 times as much as the published
  one (``benchmarks/SCORES_AND_MAPS.md``).
- "magnitude" (PLQ): the mean over RGB of |S|. For "least_norm" it is multiplied by sqrt(dim), the root mean square over
  random directions of the ratio between the lengths of PLQ's weights and of least_norm's.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax.calibration import PUBLISHED_SER_FIQ
from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.maps.smoothing import gaussian_blur, local_minimum, local_variance
from pfiq_jax.quality.methods import face_quality
from pfiq_jax.quality.ser_fiq import without_output_norm
from pfiq_jax.quality.ser_fiq_closed_form import ser_fiq_closed_form
from pfiq_jax.recognizers.forward import Forward, Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, normalize, safe_sqrt, squared_norm

PUBLISHED_A = 10**7.5  # a map of 0.5 at a gradient of 10**-3.75 per grey level
LEAST_NORM_A = 10**8.6  # 0.5 at the median pixel of LFW faces on the bundled network (benchmarks/map_scale.py)
MAP_SIGMA = 4.0  # pixels
FLAT_SIZE = 5  # pixels
SENSOR_NOISE = 1.0  # grey levels
LEAST_QUALITY = 1e-4

Quality = Callable[[Recognizer, Forward], Any]
"""``(recognizer, forward) -> scores`` of a batch, or ``(scores, aux)``."""


class PixelQuality(NamedTuple):
    """The quality of a face, and where it comes from.

    Attributes:
        quality: one score per image, from the quality function; higher is better.
        gradient: (height, width, 3) per image: the regressor's gradient, per grey level of RGB 0..255.
        map: (height, width) per image, in [0, 1]; higher is better. A magnitude: how strongly a pixel influences the
            quality, not in which direction.
        deficit: (height, width) per image, in [0, 1]; 1 is worst. The share of good faces that contribute more at
            this place. None if the recogniser was not calibrated for it.
    """

    quality: Float[Array, "*batch"]
    gradient: Float[Array, "*batch height width 3"]
    map: Float[Array, "*batch height width"]
    deficit: Float[Array, "*batch height width"] | None = None


@overload
def pixel_quality(
    recognizer: Recognizer,
    images: Images,
    *,
    quality: Quality | Array | np.ndarray | None = None,
    has_aux: Literal[False] = False,
    **options: Any,
) -> PixelQuality: ...
@overload
def pixel_quality(
    recognizer: Recognizer, images: Images, *, quality: Quality, has_aux: Literal[True], **options: Any
) -> tuple[PixelQuality, Any]: ...
@per_face  # type: ignore[misc]
def pixel_quality(
    recognizer: Recognizer,
    images: Images,
    *,
    quality: Quality | Array | np.ndarray | None = None,
    has_aux: bool = False,
    regressor: Literal["least_norm", "published"] = "least_norm",
    saliency: Literal["smoothed", "magnitude"] | None = None,
    a: float | None = None,
    b: float = 2.0,
) -> PixelQuality | tuple[PixelQuality, Any]:
    """Quality and its pixel map, from one forward and one backward pass; higher is better in both.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``. From a ``Forward`` the trunk runs again,
            since a backward pass needs what happened inside.
        quality: ``(recognizer, forward) -> scores``, one score per image, from the forward pass that the map needs
            anyway; every quality method is such a function. Or an array of scores. By default ``face_quality``, with
            "published" ``plq_quality``.
        has_aux: whether ``quality`` returns ``(scores, aux)``, as in ``jax.grad``. Then this function returns
            ``(PixelQuality, aux)``, where aux is a pytree of arrays with one row per image.
        regressor: how the weights follow from the score; the module's docstring defines both.
        saliency: what the map shows of the gradient. By default "smoothed", with "published" "magnitude".
        a: scale of the map, in 1 / (s ** b). By default the published 10**7.5; with "least_norm" the value that gives
            the median pixel of LFW faces 0.5 on the bundled network.
        b: exponent of the map.

    Raises:
        PfiqError: for images of another shape, dtype or range, another number of scores, and an unknown option.

    References:
        Terhörst et al. 2021, section 3 and figure 1; S and w have the same meaning there.
    """
    check_choice("regressor", regressor, ("least_norm", "published"))
    published = regressor == "published"
    saliency = saliency or ("magnitude" if published else "smoothed")
    check_choice("saliency", saliency, ("smoothed", "magnitude"))
    quality = (plq_quality if published else face_quality) if quality is None else quality

    def embed(pixels: Float[Array, "batch height width 3"]) -> tuple[Float[Array, "batch dim"], Forward]:
        seen = recognizer.forward(pixels)
        if published:
            return normalize(without_output_norm(recognizer).project(seen.units)), seen
        return seen.embedding, seen

    pixels = images.images if isinstance(images, Forward) else jnp.asarray(images)
    embedding, pull_back, seen = jax.vjp(embed, pixels, has_aux=True)
    found = quality(recognizer, seen) if callable(quality) else quality
    scores, aux = found if has_aux else (found, None)
    scores = jnp.ravel(jnp.asarray(scores, jnp.float32))
    if scores.shape != embedding.shape[:1]:
        raise PfiqError(f"quality has shape {scores.shape} for {embedding.shape[0]} images; give one score per image.")
    (gradient,) = pull_back((equal_weights if published else least_norm_weights)(embedding, scores))
    strength = _strength(gradient, pixels, smoothed=saliency == "smoothed")
    if not published:
        strength *= math.sqrt(embedding.shape[-1])
    scale = a if a is not None else PUBLISHED_A if published else LEAST_NORM_A
    result = PixelQuality(scores, gradient, squash(strength, a=scale, b=b))
    return (result, aux) if has_aux else result


def _strength(
    gradient: Float[Array, "batch height width 3"], pixels: Float[Array, "batch height width 3"], *, smoothed: bool
) -> Float[Array, "batch height width"]:
    strength = jnp.mean(jnp.abs(gradient), -1)
    return (gaussian_blur(strength[..., None], MAP_SIGMA) * structure(pixels))[..., 0] if smoothed else strength


def plq_quality(recognizer: Recognizer, images: Images) -> Float[Array, "*batch"]:
    """The quality in the published code of PLQ, by the closed form: SER-FIQ without the last BatchNorm, scaled."""
    return PUBLISHED_SER_FIQ.scale(ser_fiq_closed_form(recognizer, images, output_norm=False))


def equal_weights(embedding: Float[Array, "batch dim"], quality: Float[Array, " batch"]) -> Float[Array, "batch dim"]:
    """PLQ's weights of the regressor: the same for all dimensions, Q / sum(e)."""
    total = jnp.sum(embedding, -1)
    guarded = jnp.where(jnp.abs(total) < TINY, TINY, total)
    return jnp.broadcast_to((quality / guarded)[:, None], embedding.shape)


def least_norm_weights(
    embedding: Float[Array, "batch dim"], quality: Float[Array, " batch"]
) -> Float[Array, "batch dim"]:
    """The shortest weights that return Q: Q y / |y|^2; a Q nearer to 0 than 1e-4 counts as 1e-4.

    Without the floor, maps of networks on which SER-FIQ's published scale gives 1e-20 would underflow and lose all
    order of their pixels.
    """
    floored = jnp.where(jnp.abs(quality) < LEAST_QUALITY, LEAST_QUALITY, quality)  # some scores are negative
    return (floored / jnp.maximum(squared_norm(embedding), TINY))[:, None] * embedding


def quality_map(
    gradient: Float[Array, "*batch height width 3"], *, a: float = PUBLISHED_A, b: float = 2.0
) -> Float[Array, "*batch height width"]:
    """PLQ's map v of a gradient per grey level: 1 - 1 / (1 + a S^b), S the mean magnitude over RGB; in [0, 1].

    By default v(10**-3.75) is 0.5.
    """
    return squash(jnp.mean(jnp.abs(gradient), -1), a=a, b=b)


def squash(saliency: Float[Array, "*shape"], *, a: float, b: float) -> Float[Array, "*shape"]:
    """1 - 1 / (1 + a s^b): saliencies of 0 or more to [0, 1]."""
    stretched = jnp.minimum(a * saliency**b, 1e30)
    return stretched / (1 + stretched)  # the same without cancellation for a small s


def structure(images: Float[Array, "batch height width 3"]) -> Float[Array, "batch height width 1"]:
    """0 where an image is flat, towards 1 where it has structure: d / (d + 1) of the least deviation around a pixel.

    The least of all squares that contain the pixel, so that a flat area counts as flat up to its edge.
    """
    grey = jnp.mean(images, -1, keepdims=True)
    deviation = safe_sqrt(local_minimum(local_variance(grey, FLAT_SIZE), FLAT_SIZE))
    return deviation / (deviation + SENSOR_NOISE)
