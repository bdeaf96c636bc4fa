"""Pixel-level quality: which pixels of a face make it useful for recognition, and where it lacks what good faces have.

Source: Terhörst et al., "Pixel-Level Face Image Quality Assessment for Explainable Face Recognition", 2021 (PLQ), and
the code of its authors; S and w mean the same there. PLQ makes a regressor for one image, which is linear in the
embedding and returns the quality of this image. PLQ's map is the magnitude of the regressor's gradient by the pixels.
The default map here shows contributions instead of gradients (``maps/contribution.py``), times the quality. A map is
1 - 1 / (1 + a s^b) of the saliency s of a pixel:

- "contribution": how much the place of the pixel contributes to the regressor's function (``maps/regressors.py``).
- "magnitude" (PLQ): the mean over RGB of the gradient's magnitude.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, overload

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_most
from pfiq_jax.calibration import PUBLISHED_SER_FIQ
from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.maps.contribution import combine, explain_layers
from pfiq_jax.maps.regressors import DEFAULT_REGRESSOR, REGRESSORS
from pfiq_jax.quality.methods import default_quality_method, face_quality
from pfiq_jax.quality.ser_fiq_closed_form import ser_fiq_closed_form
from pfiq_jax.recognizers.forward import Forward, Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer

PUBLISHED_A = 10**7.5  # a map of 0.5 at a gradient of 10**-3.75 per grey level
# With the following scales, the median pixel of LFW faces is 0.5 on the bundled network (benchmarks/map_scale.py).
LEAST_NORM_A = 10**8.6  # per dimension of the embedding, since the gradient of a log falls with their number
HALF_CONTRIBUTIONS = {
    "equal_weights": 25.0,
    "published": 36.0,
    "least_norm": 2.1,
    "relative_norm": 3.7,
    "ser_fiq_closed_form": 0.21,
}
LEAST_QUALITY = 1e-4

Quality = Callable[[Recognizer, Forward], Any]
"""``(recognizer, forward) -> scores`` of a batch, or ``(scores, aux)``."""


class PixelQuality(NamedTuple):
    """The quality of a face, and where it comes from.

    Attributes:
        quality: one score per image, as the argument ``quality`` returns it; by default scaled. Higher is better.
        gradient: (height, width, 3) per image: the regressor's gradient, per grey level of RGB 0..255.
        map: (height, width) per image, in [0, 1]; higher is better. How much the place of a pixel contributes to the
            quality, as a magnitude without direction, on one scale for all images of a recogniser. The background is
            low, since it contributes little to any face.
        deficit: (height, width) per image, in [0, 1]; 1 is worst. The share of good faces that lack less at this
            place (``pfiq_jax/good_faces.py``). On good faces it is uniform: one pixel in a hundred has 0.99 or more.
            None if the recogniser has no ``good_faces``, and for maps other than the default.
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
    quality: Quality | str | Array | np.ndarray | None = None,
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
    quality: Quality | str | Array | np.ndarray | None = None,
    has_aux: bool = False,
    regressor: str = DEFAULT_REGRESSOR,
    saliency: Literal["contribution", "magnitude"] | None = None,
    a: float | None = None,
    b: float = 2.0,
) -> PixelQuality | tuple[PixelQuality, Any]:
    """Quality, its pixel map and the deficit, from one forward and one backward pass.

    For quality and map, higher is better. For the deficit, lower is better.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``. With a ``Forward`` the trunk runs again,
            since the backward pass needs its intermediate values.
        quality: the factor of the map; what the map shows does not depend on it. One of four things:

            - a function ``(recognizer, forward) -> scores``, one score per image, from the forward pass that the map
              needs anyway; every quality method is such a function;
            - the name of a method, for its ``face_quality``;
            - an array with one score per image;
            - None, for ``face_quality`` of the default method, or ``plq_quality`` with the regressor "published".
        has_aux: whether ``quality`` returns ``(scores, aux)``, as in ``jax.grad``. Then this function returns
            ``(PixelQuality, aux)``, where aux is a pytree of arrays with one row per image.
        regressor: one of "equal_weights", "published" (PLQ's), "least_norm", "relative_norm" and
            "ser_fiq_closed_form"; ``maps/regressors.py`` defines them.
        saliency: what the map shows. By default "magnitude" with the regressor "published", otherwise "contribution".
        a: scale of the map, in 1 / (s ** b). By default the published 10**7.5 for magnitudes with "published" and
            "equal_weights", otherwise the value at which the median pixel of LFW faces is 0.5 on the bundled network.
        b: exponent of the map.

    Raises:
        PfiqError: for images of another shape, dtype or range, a wrong number of scores, and an unknown option.

    Example:
        >>> pixels = pfiq_jax.pixel_quality(recognizer, face)
        >>> round(float(pixels.quality), 2), pixels.map.shape, pixels.deficit.shape
        (0.69, (112, 112), (112, 112))
        >>> bool(pixels.map[48:64, 36:76].mean() > pixels.map[:16].mean())  # the eyes, and what is above the face
        True
    """
    check_choice("regressor", regressor, REGRESSORS)
    is_published = regressor == "published"
    saliency = saliency or ("magnitude" if is_published else "contribution")
    check_choice("saliency", saliency, ("contribution", "magnitude"))

    pixels = images.images if isinstance(images, Forward) else jnp.asarray(images)
    explained = explain_layers(recognizer, pixels, regressor)
    method = quality if quality is not None else plq_quality if is_published else face_quality
    if isinstance(method, str):
        method = functools.partial(face_quality, method=method)
    found = method(recognizer, explained.seen) if callable(method) else method
    scores, aux = found if has_aux else (found, None)
    scores = jnp.ravel(jnp.asarray(scores, jnp.float32))
    if scores.shape != pixels.shape[:1]:
        raise PfiqError(f"quality has shape {scores.shape} for {len(pixels)} images; give one score per image.")
    weight = quality_weight(recognizer, scores, regressor, is_own=quality is None)[:, None, None]
    gradient = weight[..., None] * explained.gradient
    deficit = None
    if saliency == "contribution":
        strength = strength_of(combine(explained.log_contributions, pixels.shape[1:3]), weight)
        if recognizer.good_faces is not None and regressor == DEFAULT_REGRESSOR:
            deficit = recognizer.good_faces.deficit(explained.log_contributions, explained.compared)
    else:
        strength = jnp.mean(jnp.abs(gradient), -1)
    a = _default_scale(regressor, saliency, explained.seen.embedding.shape[-1]) if a is None else a
    result = PixelQuality(scores, gradient, squash(strength, a=a, b=b), deficit)
    return (result, aux) if has_aux else result


def quality_weight(
    recognizer: Recognizer,
    scores: Float[Array, " batch"],
    regressor: str = DEFAULT_REGRESSOR,
    *,
    is_own: bool = True,
) -> Float[Array, " batch"]:
    """The factor of contributions and gradients: the quality, as in PLQ.

    A quality nearer to 0 than 1e-4 counts as 1e-4, so that maps do not underflow. Without a scale that was fitted to
    the recogniser, the quality of all its faces can be nearly 0, whatever the face, so the factor is 1 instead.

    Args:
        recognizer: the network to explain.
        scores: the quality of each face.
        regressor: with "published", any quality is used as it is.
        is_own: whether the scores are ``face_quality`` of the default method.
    """
    if regressor == "published":
        return scores
    if is_own and default_quality_method(recognizer) not in recognizer.calibrations:
        return jnp.where(jnp.isnan(scores), scores, 1)
    return jnp.where(jnp.abs(scores) < LEAST_QUALITY, LEAST_QUALITY, scores)  # some scores are negative


def strength_of(
    log_contribution: Float[Array, "batch height width"], weight: Float[Array, "batch 1 1"]
) -> Float[Array, "batch height width"]:
    """Contributions from their logarithms, times the weight of each face."""
    return jnp.abs(weight) * jnp.exp(at_most(log_contribution, 30.0))


def _default_scale(regressor: str, saliency: str, dim: int) -> float:
    """The scale a of maps, by what they show."""
    if saliency == "contribution":
        return HALF_CONTRIBUTIONS[regressor] ** -2.0
    return PUBLISHED_A if regressor in ("published", "equal_weights") else LEAST_NORM_A * dim


def plq_quality(recognizer: Recognizer, images: Images) -> Float[Array, "*batch"]:
    """The quality in the published code of PLQ: SER-FIQ without the last BatchNorm, scaled; here by the closed form."""
    return PUBLISHED_SER_FIQ.scale(ser_fiq_closed_form(recognizer, images, output_norm=False))


def quality_map(
    gradient: Float[Array, "*batch height width 3"], *, a: float = PUBLISHED_A, b: float = 2.0
) -> Float[Array, "*batch height width"]:
    """PLQ's map of a gradient per grey level, in [0, 1]: 1 - 1 / (1 + a S^b), where S is the mean magnitude over RGB.

    With the defaults, a mean magnitude of 10**-3.75 gives 0.5.
    """
    return squash(jnp.mean(jnp.abs(gradient), -1), a=a, b=b)


def squash(saliency: Float[Array, "*shape"], *, a: float, b: float) -> Float[Array, "*shape"]:
    """1 - 1 / (1 + a s^b): saliencies of 0 or more to [0, 1]."""
    stretched = at_most(a * saliency**b, 1e30)
    return stretched / (1 + stretched)  # the same without cancellation for a small s
