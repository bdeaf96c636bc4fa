"""Programs that are exported with a recogniser as an argument, written and read again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pfiq_jax


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)


@pytest.mark.parametrize("function", [pfiq_jax.face_quality, pfiq_jax.Recognizer.forward, pfiq_jax.pixel_quality])
def test_an_exported_program_takes_a_recogniser_and_returns_its_results(function, recognizer, images):
    written = jax.export.export(jax.jit(function))(recognizer, images).serialize()
    program = jax.export.deserialize(written)
    result, expected = program.call(recognizer, images), function(recognizer, images)
    assert jax.tree.structure(result) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_an_exported_program_keeps_its_precision(recognizer, images):
    half = recognizer.with_precision("bfloat16")
    program = jax.export.deserialize(jax.export.export(jax.jit(pfiq_jax.Recognizer.features))(half, images).serialize())
    assert program.in_tree == jax.tree.structure(((half, images), {}))
    assert program.in_tree != jax.tree.structure(((recognizer, images), {}))
    assert program.out_avals[0].dtype == jnp.bfloat16


def test_a_network_of_ones_own_is_refused_with_a_sentence(images):
    own = pfiq_jax.Recognizer.from_functions(lambda _, x: x[:, ::16, ::16], lambda _, x: x[:, 0, 0], ())
    exported = jax.export.export(jax.jit(pfiq_jax.magface))(own, images)
    with pytest.raises(pfiq_jax.PfiqError, match="own architectures can be written"):
        exported.serialize()
