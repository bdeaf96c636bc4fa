"""The relative norm by hand, and that spoiled faces score lower than whole ones."""

import jax.numpy as jnp
import numpy as np

from pfiq_jax import Recognizer, relative_norm


def test_by_hand():
    """Units of two channels on two places: means 2 and -1, embedding (3, 4)."""

    def trunk(parameters, images):
        return jnp.broadcast_to(jnp.array([[[3.0, -3.0], [1.0, 1.0]]]), (len(images), 1, 2, 2))

    own = Recognizer.from_functions(
        trunk, lambda parameters, features: parameters * jnp.ones((len(features), 1)), jnp.array([[3.0, 4.0]])
    )
    images = np.zeros((2, 112, 112, 3), np.uint8)
    np.testing.assert_allclose(relative_norm(own, images), 5 / 1.5, rtol=1e-6)
    assert relative_norm(own, images[0]).shape == ()


def test_spoiled_faces_score_lower(recognizer, spoiled):
    face, worse = spoiled
    assert relative_norm(recognizer, worse) < 0.9 * relative_norm(recognizer, face)


def test_pooled_heads_have_one_place(facenet):
    image = np.full((160, 160, 3), 100, np.uint8)
    score = relative_norm(facenet, image)
    assert score.shape == ()
    assert jnp.isfinite(score)
    assert score > 0
