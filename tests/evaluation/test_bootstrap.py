import numpy as np
import pytest

from pfiq_jax.evaluation.bootstrap import bootstrap, estimate_of


def mean_of(values):
    return lambda weights: np.array([np.average(values, weights=weights)])


def test_the_value_counts_every_image_once():
    assert bootstrap(mean_of(np.array([1.0, 2.0, 6.0])), np.arange(3), seed=0).value == pytest.approx(3)


def test_images_of_an_identity_are_drawn_together():
    seen = []
    identities = np.array([0, 1, 0, 2, 1])

    def statistic(weights):
        seen.append(weights)
        return np.zeros(())

    bootstrap(statistic, identities, seed=0, resamples=20)
    for weights in seen:
        assert len({*zip(identities, weights, strict=True)}) == 3
        assert weights[[0, 1, 3]].sum() == 3
    assert len({tuple(weights) for weights in seen}) > 5


def test_interval_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(mean_of(values), np.arange(400), seed=1, resamples=2000)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose([found.low[0], found.high[0]], values.mean() + np.array([-half, half]), atol=0.015)


def test_images_of_one_person_count_as_one():
    values = np.random.default_rng(0).normal(size=100)
    alone = bootstrap(mean_of(values), np.arange(100), seed=0)
    copied = bootstrap(mean_of(np.repeat(values, 9)), np.repeat(np.arange(100), 9), seed=0)
    for one, other in zip(alone, copied, strict=True):
        np.testing.assert_allclose(one, other)


def test_the_seed_decides():
    values = np.random.default_rng(0).normal(size=30)
    one, same, other = (bootstrap(mean_of(values), np.arange(30), seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.low != other.low


def test_resamples_in_which_a_value_is_undefined_are_left_out():
    def statistic(weights):
        return np.array([[weights[0] if weights[0] else np.nan, np.nan]])

    found = bootstrap(statistic, np.arange(4), seed=0)
    assert found.value.shape == (1, 2)
    assert found.low[0, 0] == 1
    assert np.isnan(found.low[0, 1])


def test_one_number_has_an_interval_of_numbers():
    values = np.random.default_rng(0).normal(size=50)
    found = estimate_of(lambda counts: float(np.median(np.repeat(values, counts))), np.arange(50), seed=0)
    assert found.value == np.median(values)
    assert found.low < found.value < found.high
