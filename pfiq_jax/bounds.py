"""Bounds that let NaN through.

On CPUs, XLA's maximum and minimum drop NaN in vectorised loops: relu(NaN) is 0 there, and a face that cannot be scored
would get a number. ``jnp.where`` keeps it. Inside the library these functions take the place of ``jnp.maximum``,
``jnp.minimum``, ``jnp.clip`` and ``jax.nn.relu``; ruff refuses those (``pyproject.toml``).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def at_least(x: Float[Array, "*shape"], least: float) -> Float[Array, "*shape"]:
    """x, but ``least`` where x is lower; the gradient there, and where they are equal, is 0."""
    return jnp.where(x <= least, least, x)


def at_most(x: Float[Array, "*shape"], most: float) -> Float[Array, "*shape"]:
    """x, but ``most`` where x is greater; the gradient there, and where they are equal, is 0."""
    return jnp.where(x >= most, most, x)


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The positive part."""
    return at_least(x, 0.0)
