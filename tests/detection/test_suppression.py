"""Decoding and suppression, by hand."""

import jax.numpy as jnp
import numpy as np

from pfiq_jax.detection.suppression import MAX_FACES, Candidates, decode, overlap, suppress
from pfiq_jax.detection.yunet import RawOutputs


def test_decoding_of_one_place_per_stride():
    """64x32 pixels: 8x4, 4x2 and 2x1 places of stride 8, 16 and 32."""
    outputs = RawOutputs(jnp.zeros((1, 42)), jnp.ones((1, 42)), jnp.zeros((1, 42, 4)), jnp.zeros((1, 42, 10)))
    for place in (4 * 1 + 3, 32 + 2 * 2 + 1, 40 + 1):  # the row and column (1, 3), (2, 1) and (1, 0)
        outputs = outputs._replace(
            cls=outputs.cls.at[0, place].set(0.25),
            bbox=outputs.bbox.at[0, place].set(jnp.array([0.5, 1, np.log(2), np.log(3)])),
            kps=outputs.kps.at[0, place].set(jnp.arange(10) / 10),
        )
    found = decode(outputs, (64, 32))
    for place, stride, x, y in ((7, 8, 3, 1), (37, 16, 1, 2), (41, 32, 0, 1)):
        assert found.scores[0, place] == 0.5
        box = np.array([x + 0.5 - 1, y + 1 - 1.5, 2, 3]) * stride
        points = (np.array([x, y] * 5) + np.arange(10) / 10) * stride
        np.testing.assert_allclose(found.numbers[0, place], [*box, *points], rtol=1e-6, atol=1e-5)


def candidates(boxes, scores):
    numbers = jnp.concatenate([jnp.asarray(boxes, jnp.float32), jnp.zeros((len(boxes), 10))], 1)
    return Candidates(jnp.asarray(scores, jnp.float32)[None], numbers[None])


def test_overlap():
    boxes = jnp.array([[[0, 0, 2, 2], [1, 0, 2, 2], [2, 0, 2, 2], [0, 0, 4, 4.0]]])
    np.testing.assert_allclose(overlap(boxes[:, :1], boxes), [[1, 2 / 6, 0, 4 / 16]])


def test_the_best_of_overlapping_boxes_stays():
    """The third overlaps the second, which is dropped for the first, so that the third stays."""
    found = suppress(candidates([[0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10]], [0.9, 0.8, 0.7]), 0.6)
    np.testing.assert_array_equal(found.boxes[0, :2, 0], [0, 10])
    np.testing.assert_allclose(found.scores[0, :3], [0.9, 0.7, 0])
    assert found.valid.sum() == 2


def test_scores_at_the_threshold_and_nan_are_no_faces():
    found = suppress(candidates([[0, 0, 1, 1], [5, 0, 1, 1], [9, 0, 1, 1]], [0.5, np.nan, 0.75]), 0.5)
    np.testing.assert_array_equal(found.scores[0, :2], [0.75, 0])


def test_a_crowd_fills_all_places_whatever_the_number_of_candidates():
    """Each face has ten candidates, as in photographs: more than there are places."""
    crowd = [[20 * face + shift, 0, 10, 10] for shift in range(2) for face in range(MAX_FACES + 9) for _ in range(5)]
    scores = np.linspace(0.99, 0.61, len(crowd))
    found = suppress(candidates(crowd, scores), 0.6)
    assert found.valid.all()
    np.testing.assert_array_equal(found.boxes[0, :, 0], 20 * np.arange(MAX_FACES))
