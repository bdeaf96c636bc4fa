"""The one shape, range and dtype of images that the whole library works with."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pfiq_jax.errors import PfiqError


def check_images(images: ArrayLike, size: tuple[int, int]) -> jax.Array | np.ndarray:
    """The images as an array, after a check that they are what the recogniser needs.

    Args:
        images: (height, width, 3) or (batch, height, width, 3), RGB, 0..255, integer or float.
        size: height and width that the recogniser needs.

    Raises:
        PfiqError: for another shape or dtype. Where the values can be seen (not for an argument of ``jax.jit``), also
            for NaN, infinite or wrongly scaled values.
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
    if not isinstance(images, jax.core.Tracer) and images.dtype != np.uint8 and 0 not in images.shape:
        with jax.ensure_compile_time_eval():  # an array that a traced function closes over has values too
            low, high = float(images.min()), float(images.max())
        _check_range(low, high)
    return images


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
