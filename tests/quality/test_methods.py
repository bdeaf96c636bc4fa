"""Every method by its name, beside pixel maps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import QUALITY_METHODS, pixel_quality
from pfiq_jax.quality.methods import OPT_IN_METHODS

METHODS = [name for name in QUALITY_METHODS if name != "cr_fiqa"]  # which needs a quality head


@pytest.mark.parametrize("name", METHODS)
def test_every_method_drives_pixel_quality(recognizer, name):
    images = jax.ShapeDtypeStruct((2, 112, 112, 3), np.uint8)
    result = jax.eval_shape(functools.partial(pixel_quality, quality=QUALITY_METHODS[name]), recognizer, images)
    assert result.quality.shape == (2,) and result.map.shape == (2, 112, 112)


def test_methods_that_run_the_trunk_again_score_the_same_beside_a_map(recognizer, faces):
    image = faces["skimage/astronaut"]
    methods = {name: QUALITY_METHODS[name] for name in ("prefiqs", "grafiqs")}

    @jax.jit
    def both(recognizer, image):
        explained = {name: pixel_quality(recognizer, image, quality=method) for name, method in methods.items()}
        return explained, {name: method(recognizer, image) for name, method in methods.items()}

    explained, scores = both(recognizer, image)
    for name, score in scores.items():
        np.testing.assert_allclose(explained[name].quality, score, rtol=1e-5)
        assert jnp.isfinite(explained[name].map).all()


def test_opt_in_methods_are_methods():
    assert set(OPT_IN_METHODS) < set(QUALITY_METHODS)


def test_one_trunk_serves_score_gradient_and_map(recognizer):
    """Inside one ``jax.jit`` XLA merges the forward pass of GraFIQs with the one that the features come from."""
    image = jax.ShapeDtypeStruct((1, 112, 112, 3), np.float32)

    def operations(function):
        return jax.jit(function).lower(recognizer, image).compile().cost_analysis()["flops"]

    apart = operations(pixel_quality) + operations(QUALITY_METHODS["grafiqs_block4"])
    together = operations(functools.partial(pixel_quality, quality=QUALITY_METHODS["grafiqs_block4"]))
    assert together < 0.8 * apart
