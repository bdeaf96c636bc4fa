"""Contributions of single layers' places against a network whose contributions can be computed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import MAP_METHODS, PfiqError, Recognizer, occlusion
from pfiq_jax.maps.places import layer_contribution, unit_contribution

WEIGHTS = np.asarray([[[2.0, 0.0], [-1.0, 0.0]], [[0.0, 1.0], [1.0, 1.0]]], np.float32)  # row, column, dim
VALUES = np.asarray([[1.0, 2.0], [3.0, 4.0]], np.float32)


@pytest.fixture(scope="module")
def by_hand() -> tuple[Recognizer, np.ndarray]:
    """Two by two places of one channel with VALUES; the embedding is their sum with WEIGHTS, and a bias."""

    def trunk(parameters, images):
        return images.reshape(len(images), 2, 56, 2, 56, 3).mean((2, 4, 5))[..., None]

    def project(parameters, units):
        return jnp.einsum("brc,rcd->bd", units[..., 0], parameters) + jnp.asarray([[5.0, -3.0]])

    image = np.kron(VALUES, np.ones((56, 56), np.float32))
    return Recognizer.from_functions(trunk, project, jnp.asarray(WEIGHTS)), np.repeat(image[..., None], 3, -1)


def corners(pixel_map):
    return np.asarray(pixel_map)[::111, ::111]


def test_exact_contributions_are_parts_along_the_embedding(by_hand):
    recognizer, image = by_hand
    parts = VALUES[..., None] * WEIGHTS
    embedding = parts.sum((0, 1)) + np.asarray([5.0, -3.0])
    along = parts @ (embedding / np.linalg.norm(embedding))
    expected = 1 / (1 + np.exp(-along / np.abs(along).mean()))
    np.testing.assert_allclose(corners(unit_contribution(recognizer, image).map), expected, rtol=1e-4)


def test_coherence_is_the_cosine_to_all_other_places(by_hand):
    recognizer, image = by_hand
    parts = VALUES[..., None] * WEIGHTS
    others = parts.sum((0, 1)) - parts
    cosine = (parts * others).sum(-1) / np.linalg.norm(parts, axis=-1) / np.linalg.norm(others, axis=-1)
    found = corners(unit_contribution(recognizer, image, kind="coherence").map)
    np.testing.assert_allclose(found, (1 + cosine) / 2, rtol=1e-4)


def test_a_custom_network_has_one_resolution(by_hand):
    recognizer, image = by_hand
    finest, deepest = (layer_contribution(recognizer, image, resolution=resolution).map for resolution in (2, 4))
    np.testing.assert_array_equal(finest, deepest)
    np.testing.assert_allclose(deepest, MAP_METHODS["contribution"].compute(recognizer, image).map, atol=1e-6)


def test_resolutions_of_a_real_network_differ(recognizer, faces):
    face = faces["skimage/astronaut"]
    maps = [np.asarray(layer_contribution(recognizer, face, resolution=resolution).map) for resolution in (2, 3, 4)]
    logits = [np.log(each / (1 - each)) for each in maps]  # piecewise linear between places
    bends = [np.mean(np.abs(np.diff(each, 2, axis=1)) > 1e-3) for each in logits]
    assert bends[0] > 1.5 * bends[1] > 2 * bends[2]


def test_occlusion_leaves_no_pixel_out(by_hand):
    recognizer, image = by_hand
    with pytest.raises(PfiqError, match="side is 8 and step is 16; give 1 <= step <= side"):
        occlusion(recognizer, image, side=8, step=16)
