"""The quality methods by name: what ``pfiq score --method`` and ``pfiq evaluate scores`` know."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import jax

from pfiq_jax.quality.cr_fiqa import cr_fiqa
from pfiq_jax.quality.magface import magface
from pfiq_jax.quality.ser_fiq import ser_fiq, ser_fiq_closed_form
from pfiq_jax.recognizers.recognizer import Recognizer

QualityMethod = Callable[[Recognizer, jax.Array], jax.Array]
"""(recogniser, images) -> one number an image, higher is better, over ``features`` and ``head``."""

QUALITY_METHODS: Mapping[str, QualityMethod] = MappingProxyType(
    {
        "ser_fiq_closed_form": partial(ser_fiq_closed_form, scaled=False),
        "ser_fiq": partial(ser_fiq, jax.random.key(0), scaled=False),
        "magface": magface,
        "cr_fiqa": cr_fiqa,
    }
)
"""Raw scores, before any scaling to 0..1. Random ones draw from a key of their own, so they repeat."""

DEFAULT_QUALITY_METHOD = "ser_fiq_closed_form"
