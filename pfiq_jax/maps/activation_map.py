"""From a grid with one number per place of the features to a map with one number per pixel."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pfiq_jax.bounds import relu

ROUNDING = 16 * float(jnp.finfo(jnp.float32).eps)  # relative to a map's greatest magnitude


def upsample(grids: Float[Array, "*batch rows columns"], size: tuple[int, int]) -> Float[Array, "*batch height width"]:
    """Grids enlarged to the size of the image: bilinear, as in PyTorch with ``align_corners=False``."""
    return jax.image.resize(grids, (*grids.shape[:-2], *size), "bilinear", precision=jax.lax.Precision.HIGHEST)


def activation_map(
    grids: Float[Array, "*batch rows columns"], size: tuple[int, int]
) -> Float[Array, "*batch height width"]:
    """The positive part of grids, enlarged to the size of the image; each map's least pixel is 0, its greatest 1.

    A map whose pixels are equal, except for rounding, becomes 0. The published map of Fu and Damer (WACVW 2022) is
    this function of a 7x7 grid.
    """
    maps = relu(upsample(grids, size))
    low, span = _least_and_span(maps)
    return (maps - low) / jnp.where(varies(maps), span, jnp.inf)


def varies(maps: Float[Array, "*batch height width"]) -> Bool[Array, "*batch 1 1"]:
    """Whether the places of a map or grid differ by more than rounding; False for NaN."""
    _, span = _least_and_span(maps)
    return span > ROUNDING * jnp.max(abs(maps), (-2, -1), keepdims=True)


def _least_and_span(
    maps: Float[Array, "*batch height width"],
) -> tuple[Float[Array, "*batch 1 1"], Float[Array, "*batch 1 1"]]:
    low, high = (extreme(maps, (-2, -1), keepdims=True) for extreme in (jnp.min, jnp.max))
    return low, high - low
