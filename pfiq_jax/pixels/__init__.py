"""One number a pixel: how strongly it moves the face's quality."""

from pfiq_jax.pixels.many_passes import integrated_gradients, learned_order, shapley, smooth_grad
from pfiq_jax.pixels.methods import MAP_METHODS
from pfiq_jax.pixels.pixel_quality import PixelQuality, pixel_quality, quality_map

__all__ = [
    "MAP_METHODS",
    "PixelQuality",
    "integrated_gradients",
    "learned_order",
    "pixel_quality",
    "quality_map",
    "shapley",
    "smooth_grad",
]
