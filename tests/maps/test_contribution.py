"""Contributions of places against a network whose contributions can be computed by hand."""

import jax.numpy as jnp
import numpy as np

from pfiq_jax import Recognizer, pixel_quality
from pfiq_jax.maps.pixel_quality import HALF_CONTRIBUTIONS


def test_contributions_of_a_linear_network_are_its_terms():
    """Two by two places of one channel with the values 1, 2, 3, 4; the embedding repeats their weighted sum."""
    weights = jnp.asarray([2.0, -1.0, 0.5, 1.0])

    def trunk(parameters, images):
        values = images.reshape(len(images), 2, 56, 2, 56, 3).mean((2, 4, 5))
        return values[..., None]

    def project(parameters, units):
        total = units.reshape(len(units), 4) @ parameters
        return jnp.stack([total, total], -1)

    recognizer = Recognizer.from_functions(trunk, project, weights)
    values = np.kron(np.asarray([[1.0, 2.0], [3.0, 4.0]], np.float32), np.ones((56, 56), np.float32))
    found = pixel_quality(recognizer, np.repeat(values[..., None], 3, -1)).map
    half = HALF_CONTRIBUTIONS["equal_weights"]
    # |value x weight| of a place, times sqrt(dim), times the number of places
    terms = np.sqrt(2) * 4 * np.abs(np.asarray([[1, 2], [3, 4]]) * np.asarray(weights).reshape(2, 2)) / half
    np.testing.assert_allclose(found[::111, ::111], terms**2 / (1 + terms**2), rtol=1e-4)


def test_a_cover_lowers_the_ranks_of_its_own_place_more_than_a_cover_elsewhere(recognizer, faces):
    face = faces["skimage/astronaut"]
    noise = np.random.default_rng(0).normal(0, 50, (28, 28, 3))
    places = [(slice(40, 68), slice(20, 48)), (slice(70, 98), slice(44, 72))]  # an eye, the mouth
    ranks = []
    for place in places:
        covered = np.float32(face)
        covered[place] = np.clip(covered[place] + noise, 0, 255)
        pixel_map = np.asarray(pixel_quality(recognizer, covered).map)
        ranks.append(pixel_map.ravel().argsort().argsort().reshape(pixel_map.shape))
    assert ranks[0][places[0]].mean() < ranks[1][places[0]].mean()
    assert ranks[1][places[1]].mean() < ranks[0][places[1]].mean()
