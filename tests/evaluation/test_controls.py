import numpy as np
import pytest

from pfiq_jax.evaluation.controls import detail_maps, mean_maps, random_maps, random_scores


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


def test_mean_maps_leave_each_face_out():
    maps = np.array([[[0.0, 1.0]], [[0.5, 0.0]], [[1.0, 0.5]]], np.float32)
    np.testing.assert_allclose(mean_maps(maps), [[[0.75, 0.25]], [[0.5, 0.75]], [[0.25, 0.5]]])


def test_detail_is_where_the_image_is_not_smooth():
    images = np.full((1, 60, 60, 3), 100, np.uint8)
    images[:, :, :30:2] = 200
    detail = detail_maps(images)[0]
    assert detail[:, :10].min() == pytest.approx(50 / 255, abs=0.01)  # each pixel is 50 from the mean of its neighbours
    np.testing.assert_allclose(detail[:, 55:], 0, atol=1e-4)
