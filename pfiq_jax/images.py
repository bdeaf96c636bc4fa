"""The one shape, range and dtype of images that everything behind works with."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError


def as_batch(images: ArrayLike, size: tuple[int, int]) -> Float[Array, "batch height width 3"]:
    """One image or a batch as a float32 batch, after a check that it is what the recogniser wants.

    Args:
        images: (height, width, 3) or (batch, height, width, 3), RGB, 0..255, integer or float.
        size: height and width that the recogniser wants.

    Raises:
        PfiqError: for another shape or dtype; and, where the values can be seen (not inside ``jax.jit``), for NaN,
            infinite, or wrongly scaled ones.
    """
    if not isinstance(images, jax.Array):
        images = np.asarray(images)
    if images.ndim not in (3, 4) or images.shape[-3:] != (*size, 3):
        height, width = size
        raise PfiqError(
            f"images have shape {images.shape}; give aligned RGB faces of shape ({height}, {width}, 3) "
            f"or (batch, {height}, {width}, 3)."
        )
    if not (jnp.issubdtype(images.dtype, jnp.integer) or jnp.issubdtype(images.dtype, jnp.floating)):
        raise PfiqError(f"images have dtype {images.dtype}; give uint8 or float pixels in 0..255.")
    if not isinstance(images, jax.core.Tracer) and images.dtype != np.uint8 and images.size:
        _check_range(float(images.min()), float(images.max()))
    return jnp.asarray(images, jnp.float32).reshape(-1, *images.shape[-3:])


def _check_range(low: float, high: float) -> None:
    if not np.isfinite([low, high]).all():
        raise PfiqError("images hold NaN or infinite pixels; replace them by values in 0..255.")
    if 0 < max(high, -low) <= 1:
        raise PfiqError(
            f"images span {low:g} to {high:g}, which looks like pixels scaled to 1; multiply them so that they span "
            "0..255 (the recogniser scales them itself)."
        )
    if low < -128 or high > 512:  # room for what an optimiser or noise adds
        raise PfiqError(f"images span {low:g} to {high:g}; give pixels in 0..255.")
