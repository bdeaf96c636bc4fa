"""The pixel maps by name: what ``pfiq evaluate maps`` compares."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp

from pfiq_jax.maps.many_passes import integrated_gradients, learned_order, shapley, smooth_grad
from pfiq_jax.maps.pixel_quality import LEAST_NORM_A, PixelQuality, pixel_quality, squash
from pfiq_jax.maps.smoothing import gaussian_blur
from pfiq_jax.quality.methods import QUALITY_METHODS
from pfiq_jax.quality.ser_fiq import SER_FIQ_VARIANTS, ser_fiq_closed_form
from pfiq_jax.recognizers.recognizer import Recognizer

MapMethod = Callable[[Recognizer, jax.Array], PixelQuality]


def score_gradient(recognizer: Recognizer, images: jax.Array, *, method: str, sigma: float = 0.0) -> PixelQuality:
    """The gradient of a quality score itself by the pixels, by magnitude; one forward, one backward.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; (batch, height, width, 3).
        method: of ``QUALITY_METHODS``.
        sigma: of the Gaussian, in pixels, that smooths the magnitudes; 0 for none.

    Raises:
        PfiqError: for images that do not fit.
    """
    pixels = jnp.asarray(images, jnp.float32)
    scores, pull_back = jax.vjp(lambda pixels: QUALITY_METHODS[method](recognizer, pixels), pixels)
    (gradient,) = pull_back(jnp.ones_like(scores))
    strength = jnp.mean(jnp.abs(gradient), -1, keepdims=True)
    if sigma:
        strength = gaussian_blur(strength, sigma)
    return PixelQuality(scores, gradient, squash(strength[..., 0], a=LEAST_NORM_A, b=2.0))


MAP_METHODS: Mapping[str, MapMethod] = MappingProxyType(
    {
        "smoothed": pixel_quality,
        # With the raw score: pixels in the same order, also on networks whose scores all but vanish on PLQ's scale.
        "plq": partial(
            pixel_quality,
            regressor="published",
            quality=partial(ser_fiq_closed_form, **SER_FIQ_VARIANTS["keras_2020"]),
        ),
        "least_norm": partial(pixel_quality, saliency="magnitude"),
        "closed_form_gradient": partial(score_gradient, method="ser_fiq_closed_form"),
        "closed_form_gradient_smoothed": partial(score_gradient, method="ser_fiq_closed_form", sigma=3.0),
        "smooth_grad": lambda recognizer, images: smooth_grad(jax.random.key(0), recognizer, images),
        "integrated_gradients": integrated_gradients,
        "shapley": lambda recognizer, images: shapley(jax.random.key(0), recognizer, images),
        "learned_order": learned_order,
    }
)
"""(recogniser, images) -> quality, gradient and map, of which higher is better.

What draws random numbers draws them from a key of its own, so it repeats.
"""

DEFAULT_MAP_METHOD = "smoothed"  # of those that cost one backward pass, the best on both networks measured
