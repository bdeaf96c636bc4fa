import numpy as np

from pfiq_jax.evaluation.maps.regions import mean_within, relative_ranks, square_regions


def test_squares_of_one_side_per_face():
    regions = square_regions(np.array([[0, 1], [2, 0]]), np.array([1, 2]), (4, 3))
    np.testing.assert_array_equal(np.argwhere(regions[0]), [[0, 1]])
    np.testing.assert_array_equal(np.argwhere(regions[1]), [[2, 0], [2, 1], [3, 0], [3, 1]])


def test_ranks_are_within_a_map_from_0_to_1_with_means_for_ties():
    maps = np.array([[[0.1, 0.3], [0.2, 0.9]], [[5, 5], [1, 5]]], np.float32)
    np.testing.assert_allclose(relative_ranks(maps), np.array([[[0, 2], [1, 3]], [[2, 2], [0, 2]]]) / 3)
    maps[0, 0, 0] = np.nan
    ranks = relative_ranks(maps)
    assert np.isnan(ranks[0]).all()
    assert not np.isnan(ranks[1]).any()


def test_mean_within():
    maps = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    regions = np.array([[[True, False], [False, True]], [[False, False], [True, False]]])
    np.testing.assert_array_equal(mean_within(maps, regions), [1.5, 6])
