"""The pixel maps by name: what ``pfiq evaluate maps`` compares."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import jax

from pfiq_jax.pixels.pixel_quality import PixelQuality, pixel_quality
from pfiq_jax.recognizers.recognizer import Recognizer

MapMethod = Callable[[Recognizer, jax.Array], PixelQuality]
"""(recogniser, images) -> quality, gradient and map, of which higher is better."""

MAP_METHODS: Mapping[str, MapMethod] = MappingProxyType(
    {
        "least_norm": pixel_quality,
        "plq": partial(pixel_quality, regressor="published"),
    }
)

DEFAULT_MAP_METHOD = "least_norm"
