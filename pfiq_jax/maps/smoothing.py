"""Smoothing of images and maps, as products with small constant matrices. Differentiable, and fast on all devices."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

FILL_SIGMA = 11.0  # pixels; removes all features of a 112x112 face, but keeps its colours and lighting


def blurred_fill(
    images: Float[Array, "batch height width 3"],
) -> Float[Array, "batch height width 3"]:
    """The replacement of removed pixels: the image, blurred by a Gaussian of 11 pixels."""
    return gaussian_blur(images, FILL_SIGMA)


def gaussian_blur(
    images: Float[Array, "batch height width channels"], sigma: float
) -> Float[Array, "batch height width channels"]:
    """Images, blurred by a Gaussian with a standard deviation in pixels, mirrored at the border as in scipy."""
    from scipy.ndimage import gaussian_filter1d  # takes long to import

    return _filter(images, lambda identity: gaussian_filter1d(identity, sigma, axis=0))


def _filter(
    images: Float[Array, "batch height width channels"], along: Callable[[np.ndarray], np.ndarray]
) -> Float[Array, "batch height width channels"]:
    rows, columns = (np.asarray(along(np.eye(length)), images.dtype) for length in images.shape[1:3])
    return jnp.einsum("ih,bhwc,jw->bijc", rows, images, columns, precision="highest")
