"""Lengths and directions of vectors, with finite gradients at zero."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import at_least

TINY = 1e-12
"""Smallest divisor, used where a length or a sum of squares is 0."""


def safe_sqrt(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Square root; 0 where x is 0 or less, with the gradient 0 instead of an infinite one. NaN stays NaN."""
    is_zero = x <= 0
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, x)))


def squared_norm(vectors: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
    """Squared Euclidean length."""
    return jnp.sum(jnp.square(vectors), -1)


def norm(vectors: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
    """Euclidean length; the gradient of a zero vector is zero."""
    return safe_sqrt(squared_norm(vectors))


def normalize(vectors: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    """Vectors at unit length; a zero vector stays zero, with a finite gradient."""
    return vectors * jax.lax.rsqrt(at_least(squared_norm(vectors), TINY))[..., None]
