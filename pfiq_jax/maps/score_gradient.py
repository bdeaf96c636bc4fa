"""The gradient of a quality score itself by the pixels."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.maps.pixel_quality import LEAST_NORM_A, PixelQuality, squash
from pfiq_jax.maps.smoothing import gaussian_blur
from pfiq_jax.quality.methods import QUALITY_METHODS
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer


@per_face
def score_gradient(recognizer: Recognizer, images: Images, *, method: str, sigma: float = 0.0) -> PixelQuality:
    """The magnitude of the gradient of a raw score by the pixels, from one forward and one backward pass.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        method: one of ``QUALITY_METHODS``.
        sigma: of the Gaussian, in pixels, that smooths the magnitudes; 0 for none.

    Raises:
        PfiqError: for images of another shape, dtype or range.
    """
    pixels = recognizer.forward(images).images

    def score(pixels: Float[Array, "batch height width 3"]) -> Float[Array, " batch"]:
        return QUALITY_METHODS[method].compute(recognizer, pixels)

    scores, pull_back = jax.vjp(score, pixels)
    (gradient,) = pull_back(jnp.ones_like(scores))
    strength = jnp.mean(jnp.abs(gradient), -1, keepdims=True)
    if sigma:
        strength = gaussian_blur(strength, sigma)
    return PixelQuality(scores, gradient, squash(strength[..., 0], a=LEAST_NORM_A, b=2.0))
