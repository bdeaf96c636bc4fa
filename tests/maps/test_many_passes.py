"""Maps of many passes: their form, and that they find what a hand-made network looks at."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from pfiq_jax import (
    MAP_METHODS,
    Calibration,
    Recognizer,
    integrated_gradients,
    learned_order,
    occlusion,
    shapley,
    smooth_grad,
)
from pfiq_jax.maps.smoothing import gaussian_blur

KEY = jax.random.key(0)
METHODS = {
    "smooth_grad": functools.partial(smooth_grad, KEY, copies=2),
    "integrated_gradients": functools.partial(integrated_gradients, steps=4),
    "shapley": functools.partial(shapley, KEY, samples=8),
    "occlusion": occlusion,
    "learned_order": functools.partial(learned_order, steps=4),
}


@pytest.fixture(scope="module")
def looks_at_the_left() -> Recognizer:
    """A network that depends on the left half of its image only, at 16 x 16 pixels."""

    def trunk(parameters, images):
        left = images.at[:, :, 56:].set(64)
        return jnp.tanh((left.reshape(-1, 7, 16, 7, 16, 3).mean((2, 4)) / 64 - 1) @ parameters["trunk"])

    def head(parameters, features):
        return features.reshape(len(features), -1) @ parameters["head"]

    keys = jax.random.split(KEY)
    parameters = {"trunk": jax.random.normal(keys[0], (3, 8)), "head": jax.random.normal(keys[1], (7 * 7 * 8, 16))}
    middling = Calibration("relative_norm", 1e-3, 0.0, np.zeros(0), "none: all faces score about 0.5")
    return Recognizer.from_functions(trunk, head, parameters).calibrated(middling)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    coarse = np.random.default_rng(0).uniform(0, 255, (2, 14, 14, 3))
    noise = np.random.default_rng(1).normal(0, 8, (2, 112, 112, 3))
    return np.clip(coarse.repeat(8, 1).repeat(8, 2) + noise, 0, 255).astype(np.float32)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_finds_what_the_network_looks_at(looks_at_the_left, images, method):
    result = jax.jit(method)(looks_at_the_left, images)
    assert result.map.shape == (2, 112, 112)
    assert result.gradient.shape == (2, 112, 112, 3)
    assert (result.map >= 0).all()
    assert (result.map <= 1).all()
    strength = np.abs(np.asarray(result.map) - np.asarray(result.map)[:, :, 100:].mean((1, 2), keepdims=True))
    assert strength[:, :, :48].mean() > 3 * strength[:, :, 72:].mean()


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_an_image_does_not_depend_on_its_batch(looks_at_the_left, images, method):
    alone, among = method(looks_at_the_left, images[1]), method(looks_at_the_left, images)
    assert alone.map.shape == (112, 112)
    assert alone.quality.shape == ()
    np.testing.assert_allclose(alone.map, among.map[1], atol=1e-4)


def test_occlusion_is_the_mean_loss_of_the_squares_around_a_pixel(looks_at_the_left, images):
    """At the corner there is one square, next to it two."""
    image = images[0]
    blurred = ndimage.gaussian_filter(image, (11, 11, 0))

    def loss(row: int, column: int) -> float:
        occluded = image.copy()
        place = np.s_[row : row + 16, column : column + 16]
        occluded[place] = blurred[place]
        first, second = (np.asarray(looks_at_the_left.embed(each), np.float64) for each in (image, occluded))
        return 1 - first @ second / (np.linalg.norm(first) * np.linalg.norm(second))

    found = np.asarray(occlusion(looks_at_the_left, image).map)
    for wanted, got in (
        (loss(0, 0), found[7, 7]),
        ((loss(0, 0) + loss(0, 8)) / 2, found[0, 8]),
        ((loss(96, 8) + loss(96, 16)) / 2, found[111, 23]),
    ):
        assert got == pytest.approx(wanted / (wanted + 0.01), rel=1e-3, abs=1e-4)
    np.testing.assert_allclose(found[:, 104:], 0, atol=1e-4)


def test_every_named_map_runs_on_a_network_of_ones_own(looks_at_the_left, images):
    for name, method in MAP_METHODS.items():
        result = jax.eval_shape(method.compute, looks_at_the_left, images)
        assert result.map.shape == (2, 112, 112), name


def test_smoothing_is_scipys(images):
    grey = images[..., :1]
    np.testing.assert_allclose(
        gaussian_blur(jnp.asarray(grey), 4.0), ndimage.gaussian_filter(grey, (0, 4, 4, 0)), atol=1e-3
    )
