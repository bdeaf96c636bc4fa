"""From a grid, one number a place of the features, to a map, one number a pixel."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def upsample(grids: Float[Array, "*batch rows columns"], size: tuple[int, int]) -> Float[Array, "*batch height width"]:
    """Grids at the size of the image: bilinear, places and pixels as areas (torch's ``align_corners=False``)."""
    return jax.image.resize(grids, (*grids.shape[:-2], *size), "bilinear", precision=jax.lax.Precision.HIGHEST)


def activation_map(
    grids: Float[Array, "*batch rows columns"], size: tuple[int, int]
) -> Float[Array, "*batch height width"]:
    """What is positive of grids, at the size of the image; of each map the least pixel is 0 and the greatest 1.

    Where all pixels are alike nothing tells them apart: all are 0. The published map of Fu and Damer (WACVW 2022) is
    this function of a 7x7 grid.
    """
    maps = jax.nn.relu(upsample(grids, size))
    low, high = (extreme(maps, (-2, -1), keepdims=True) for extreme in (jnp.min, jnp.max))
    return (maps - low) / jnp.where(high > low, high - low, 1)
