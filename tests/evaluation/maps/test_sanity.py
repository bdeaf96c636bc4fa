"""Sanity checks of maps."""

import jax
import numpy as np
import pytest
from scipy.stats import spearmanr

from pfiq_jax import Recognizer
from pfiq_jax.evaluation.maps.sanity import NOISE_SIGMA, mean_map_r2, noisy, randomized, rank_correlation


def test_rank_correlation_is_spearman_s_with_ties():
    generator = np.random.default_rng(0)
    maps = generator.integers(0, 5, (3, 8, 8)).astype(np.float32)
    others = (maps + generator.integers(0, 5, (3, 8, 8))).astype(np.float32)
    wanted = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(maps, others, strict=True)]
    np.testing.assert_allclose(rank_correlation(maps, others), wanted, rtol=1e-12)
    np.testing.assert_allclose(rank_correlation(maps, np.exp(maps)), 1)
    np.testing.assert_allclose(rank_correlation(maps, -maps), -1)


def test_a_constant_map_has_no_order():
    maps = np.random.default_rng(0).random((2, 8, 8))
    assert np.isnan(rank_correlation(maps, np.ones_like(maps))).all()


def test_squared_correlation_with_the_mean_map_of_the_other_faces():
    maps = np.random.default_rng(0).random((4, 8, 8)).astype(np.float32)
    others = [np.delete(maps, face, 0).mean(0) for face in range(4)]
    wanted = [np.corrcoef(one.ravel(), mean.ravel())[0, 1] ** 2 for one, mean in zip(maps, others, strict=True)]
    np.testing.assert_allclose(mean_map_r2(maps), wanted, rtol=1e-4)
    np.testing.assert_allclose(mean_map_r2(np.stack([maps[0], 1 - maps[0]])), 1, rtol=1e-5)
    assert np.isnan(mean_map_r2(np.ones_like(maps))).all()


NUMBERS = np.arange(50, dtype=np.float32)


def with_parameters(parameters) -> Recognizer:
    return Recognizer.from_functions(lambda _, images: images, lambda _, features: features, parameters)


def test_randomized_shuffles_the_trunk_and_leaves_the_head():
    known = with_parameters({"trunk": {"kernel": NUMBERS.reshape(5, 10), "scale": NUMBERS}, "head": NUMBERS})
    shuffled = randomized(0, known).parameters
    assert shuffled["head"] is NUMBERS
    assert shuffled["trunk"]["kernel"].shape == (5, 10)
    for leaf in jax.tree.leaves(shuffled["trunk"]):
        assert leaf.dtype == np.float32
        assert (np.ravel(leaf) != NUMBERS).any()
        np.testing.assert_array_equal(np.sort(np.ravel(leaf)), NUMBERS)
    again, other = (randomized(seed, known).parameters["trunk"] for seed in (0, 1))
    np.testing.assert_array_equal(again["kernel"], shuffled["trunk"]["kernel"])
    assert (other["kernel"] != again["kernel"]).any()


@pytest.mark.parametrize("parameters", [[NUMBERS], {"weights": NUMBERS}])
def test_randomized_shuffles_all_where_no_trunk_is_named(parameters):
    (leaf,) = jax.tree.leaves(randomized(0, with_parameters(parameters)).parameters)
    assert (leaf != NUMBERS).any()
    np.testing.assert_array_equal(np.sort(leaf), NUMBERS)


def test_noise_is_gaussian_and_stays_within_the_range():
    images = np.full((2, 100, 100, 3), 128, np.uint8)
    noise = noisy(0, images) - images
    assert abs(noise.std() - NOISE_SIGMA) < 0.05
    assert abs(noise.mean()) < 0.05
    np.testing.assert_array_equal(noisy(0, images), noisy(0, images))
    for level in (0, 255):
        extreme = noisy(0, np.full((1, 10, 10, 3), level, np.uint8))
        assert extreme.min() >= 0
        assert extreme.max() <= 255
