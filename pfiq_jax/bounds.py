"""Bounds that let NaN through.

On CPUs, XLA's maximum and minimum drop NaN in vectorised loops: relu(NaN) is 0 there, and a face that cannot be scored
would get a score. ``jnp.where`` keeps NaN. The library uses these functions in place of ``jnp.maximum``,
``jnp.minimum``, ``jnp.clip`` and ``jax.nn.relu``, which ruff forbids (``pyproject.toml``).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def at_least(x: Float[Array, "*shape"], least: float) -> Float[Array, "*shape"]:
    """x, but ``least`` where x is lower. The gradient is 0 there and where both are equal."""
    return jnp.where(x <= least, least, x)


def at_most(x: Float[Array, "*shape"], most: float) -> Float[Array, "*shape"]:
    """x, but ``most`` where x is greater. The gradient is 0 there and where both are equal."""
    return jnp.where(x >= most, most, x)


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The positive part."""
    return at_least(x, 0.0)
