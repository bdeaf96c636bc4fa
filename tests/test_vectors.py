"""Lengths and directions at zero, for NaN, and everywhere else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax.vectors import norm, normalize, safe_sqrt


def test_lengths_and_directions():
    vectors = jnp.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(norm(vectors), [5, 0])
    np.testing.assert_allclose(normalize(vectors), [[0.6, 0.8], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("function", [norm, lambda x: jnp.sum(normalize(x)), lambda x: jnp.sum(safe_sqrt(x))])
def test_gradients_at_zero_are_finite(function):
    assert jnp.isfinite(jax.grad(function)(jnp.zeros(3))).all()
    np.testing.assert_array_equal(jax.grad(norm)(jnp.zeros(3)), 0)


@pytest.mark.parametrize("function", [norm, normalize, safe_sqrt])
def test_nan_stays_nan(function):
    assert jnp.isnan(jax.jit(function)(jnp.array([1.0, jnp.nan]))).any()
