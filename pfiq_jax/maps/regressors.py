"""What a map explains: functions of the forward pass that are linear in the embedding, or are treated as linear.

In PLQ, a regressor is made for one image, and returns the quality Q of this image from its embedding. Its gradient is
Q times the gradient of one of these functions.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least
from pfiq_jax.quality.relative_norm import relative_norm
from pfiq_jax.quality.ser_fiq import without_output_norm
from pfiq_jax.quality.ser_fiq_closed_form import ser_fiq_closed_form
from pfiq_jax.recognizers.forward import Forward
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import TINY, normalize, squared_norm

Explained = Float[Array, " batch"]


def equal_weights(recognizer: Recognizer, seen: Forward) -> Explained:
    """The sum of the embedding's coordinates, divided by sqrt(dim): one fixed direction of length 1."""
    return jnp.sum(seen.embedding, -1) / np.float32(np.sqrt(seen.embedding.shape[-1]))


def published(recognizer: Recognizer, seen: Forward) -> Explained:
    """PLQ's: equal weights 1 / sum(e) on the normalised embedding e, without the head's last BatchNorm.

    The sum of an embedding can be arbitrarily near 0. The scale of the gradient is therefore arbitrary, and the maps of
    two images cannot be compared. On ten published MagFace embeddings the scale varies 37-fold, and the argument of the
    map 1300-fold.
    """
    total = jnp.sum(normalize(without_output_norm(recognizer).project(seen.units)), -1)
    fixed = jax.lax.stop_gradient(total)
    return total / jnp.where(jnp.abs(fixed) < TINY, TINY, fixed)


def least_norm(recognizer: Recognizer, seen: Forward) -> Explained:
    """The log of the embedding's length ``|y|``, for the regressor of least norm.

    Of all weights with w . y = Q, the weights of least norm are ``Q y / |y|^2``. They are unique, rotate with the
    embedding space and scale inversely with it.
    """
    return jnp.log(at_least(squared_norm(seen.embedding), TINY)) / 2


def log_relative_norm(recognizer: Recognizer, seen: Forward) -> Explained:
    """The log of ``relative_norm``."""
    return jnp.log(at_least(relative_norm(recognizer, seen), TINY))


def log_closed_form(recognizer: Recognizer, seen: Forward) -> Explained:
    """The log of ``ser_fiq_closed_form``."""
    return jnp.log(at_least(ser_fiq_closed_form(recognizer, seen), TINY))


REGRESSORS: Mapping[str, Callable[[Recognizer, Forward], Explained]] = MappingProxyType(
    {
        "equal_weights": equal_weights,
        "published": published,
        "least_norm": least_norm,
        "relative_norm": log_relative_norm,
        "ser_fiq_closed_form": log_closed_form,
    }
)
"""What ``pixel_quality`` can explain, by name."""

DEFAULT_REGRESSOR = "equal_weights"
