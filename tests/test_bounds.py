"""Bounds keep NaN, also in the vectorised loops in which XLA's maximum and minimum drop it on CPUs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax.bounds import at_least, at_most, relu


@pytest.mark.parametrize("bound", [relu, lambda x: at_least(x, 1e-12), lambda x: at_most(x, 1e30)])
def test_nan_passes_every_bound_in_a_vectorised_loop(bound):
    def fused(x):
        return bound(jnp.mean(jnp.abs(x), -1) ** 2)

    assert jnp.isnan(jax.jit(fused)(jnp.full((2, 112, 112, 3), jnp.nan))).all()


def test_values_and_gradients_at_the_bounds():
    x = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(relu(x), [0, 0, 3])
    np.testing.assert_array_equal(at_most(x, 0.0), [-2, 0, 0])
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(relu(x)))(x), [0, 0, 1])
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(at_most(x, 0.0)))(x), [1, 0, 0])
