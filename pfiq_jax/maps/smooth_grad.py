"""SmoothGrad: the default map, averaged over noisy copies of the image."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pfiq_jax.errors import check_count
from pfiq_jax.maps.pixel_quality import PixelQuality, pixel_quality
from pfiq_jax.recognizers.forward import Images, per_face
from pfiq_jax.recognizers.recognizer import Recognizer

NOISE = 16.0  # grey levels


@per_face
def smooth_grad(key: jax.Array, recognizer: Recognizer, images: Images, *, copies: int = 8) -> PixelQuality:
    """The mean of the default map over noisy copies of the image; higher is better.

    Args:
        key: a JAX random key; the same key gives the same map, in any batch.
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        copies: number of copies with Gaussian noise of 16 grey levels; each costs a forward and a backward pass.

    Raises:
        PfiqError: for fewer than one copy, and for images of another shape, dtype or range.

    References:
        Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.
    """
    check_count("copies", copies)
    pixels = recognizer.forward(images).images

    def explain_copy(copy: Array) -> PixelQuality:
        noise = NOISE * jax.random.normal(jax.random.fold_in(key, copy), pixels.shape[1:], jnp.float32)
        return pixel_quality(recognizer, pixels + noise[None])

    return jax.tree.map(lambda leaf: jnp.mean(leaf, 0), jax.lax.map(explain_copy, jnp.arange(copies)))
