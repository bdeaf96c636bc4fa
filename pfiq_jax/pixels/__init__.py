"""One number a pixel: how strongly it moves the face's quality."""

from pfiq_jax.pixels.pixel_quality import PixelQuality, pixel_quality, quality_map

__all__ = ["PixelQuality", "pixel_quality", "quality_map"]
