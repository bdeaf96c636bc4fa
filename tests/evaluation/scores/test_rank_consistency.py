import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.scores.comparisons import compare_all_pairs
from pfiq_jax.evaluation.scores.rank_consistency import harm, margins, rank_consistency

images = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=12)
ANGLES = {"ann": (0, 10, 80), "bob": (75, 100), "cat": (180,)}


def people():
    degrees = np.radians([angle for angles in ANGLES.values() for angle in angles])
    names = [name for name, angles in ANGLES.items() for _ in angles]
    return compare_all_pairs(np.stack([np.cos(degrees), np.sin(degrees)], 1), names)


def test_harm_by_hand():
    """At 45 degrees the third of Ann is missed twice, and takes both of Bob for herself."""
    found = harm(people(), np.cos(np.radians(45)))
    np.testing.assert_array_equal(found, [1, 1, 4, 1, 1, 0])


def test_harm_of_a_resample():
    """Bob twice: as two persons, each a false match of Ann's; Bob's own errors stay what they are."""
    found = harm(people(), np.cos(np.radians(45)), np.array([1, 1, 1, 2, 2, 0]))
    np.testing.assert_array_equal(found, [1, 1, 6, 1, 1, 0])


def test_margins_by_hand():
    nearest = np.cos(np.radians([75, 65, 5, 5, 20, 80]))
    lowest = np.array([*np.cos(np.radians([80, 70, 80, 25, 25])), 1])
    np.testing.assert_allclose(margins(people()), nearest - lowest, atol=1e-6)


def test_by_hand():
    """Ranks of harm 1, 2.5, 2.5, 4 and of lack of quality 2, 1, 3, 4."""
    harms, qualities = np.array([0, 1, 1, 5]), np.array([8.0, 9.0, 2.0, 1.0])
    squares = np.array([1, 2.25, 0.25, 0])
    assert rank_consistency(harms, qualities) == pytest.approx(1 - 6 * squares.sum() / (15 * 4))
    weights = (np.array([1, 2.5, 2.5, 4]) / 4) ** 3
    wanted = 1 - 6 * np.sum(weights * squares) / (15 * weights.sum())
    assert rank_consistency(harms, qualities, alpha=3.0) == pytest.approx(wanted)
    margin = np.array([9.0, 1.0, 2.0, -9.0])  # breaks the tie of the second and the third, and nothing else
    squares = np.array([1, 1, 0, 0])
    assert rank_consistency(harms, qualities, margins=margin) == pytest.approx(1 - 6 * squares.sum() / (15 * 4))


@given(st.integers(0, 1000), st.integers(2, 30))
def test_is_spearmans_correlation_without_ties(seed, count):
    generator = np.random.default_rng(seed)
    harms, qualities = generator.permutation(count), generator.random(count)
    assert rank_consistency(harms, qualities) == pytest.approx(spearmanr(harms, -qualities).statistic)
    assert rank_consistency(harms, -harms.astype(float), alpha=3.0) == pytest.approx(1)
    assert rank_consistency(harms, harms.astype(float)) == pytest.approx(-1)


@given(images, st.sampled_from([0.0, 3.0]), st.booleans())
def test_weights_repeat_images(rows, alpha, with_margins):
    harms, qualities, weights = np.array(rows).T
    assume(weights.sum() >= 2)
    margin = np.arange(len(rows)) % 2 * 1.0 if with_margins else None
    repeated = None if margin is None else np.repeat(margin, weights)
    weighted = rank_consistency(harms, qualities, margins=margin, alpha=alpha, weights=weights)
    wanted = rank_consistency(np.repeat(harms, weights), np.repeat(qualities, weights), margins=repeated, alpha=alpha)
    assert weighted == pytest.approx(wanted)


def test_ties_of_harm_raise_the_figure_unless_broken():
    generator = np.random.default_rng(0)
    harms, margin, qualities = np.zeros(2000, int), generator.random(2000), generator.random(2000)
    assert rank_consistency(harms, qualities) == pytest.approx(0.5, abs=1e-3)
    assert rank_consistency(harms, qualities, margins=margin) == pytest.approx(0, abs=0.05)


def test_refuses_a_single_image():
    with pytest.raises(PfiqError, match="fewer than two images to rank; give two or more"):
        rank_consistency(np.zeros(3, int), np.ones(3), weights=np.array([0, 1, 0]))
