import numpy as np

from pfiq_jax.evaluation.controls import random_maps, random_scores


def test_random_scores_repeat():
    scores = random_scores(1000)
    np.testing.assert_array_equal(scores, random_scores(1000))
    assert scores.min() >= 0
    assert scores.max() < 1
    assert abs(scores.mean() - 0.5) < 0.05


def test_random_maps_repeat_and_differ_by_face_and_seed():
    first = random_maps(7, (2, 3, 3))
    np.testing.assert_array_equal(first, random_maps(7, (2, 3, 3)))
    assert (first != random_maps(8, (2, 3, 3))).all()
    assert (first[0] != first[1]).all()
