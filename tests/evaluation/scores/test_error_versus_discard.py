import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.scores.error_versus_discard import (
    error_versus_discard,
    normalized_partial_area,
    partial_area,
    perfect_area,
    perfect_error,
    theoretical_best_area,
)

pairs = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30)


def columns(rows):
    errors, qualities, weights = zip(*rows, strict=True)
    return np.array(errors), np.array(qualities, np.float64), np.array(weights)


def test_by_hand():
    curve = error_versus_discard(np.array([False, True, True, False]), np.array([3.0, 1.0, 2.0, 4.0]))
    np.testing.assert_allclose(curve.discard, [0, 1 / 4, 2 / 4, 3 / 4, 1])
    np.testing.assert_allclose(curve.error, [2 / 4, 1 / 3, 0, 0, 0])
    assert [curve.at(share) for share in (0.0, 0.24, 0.25, 1.0)] == pytest.approx([1 / 2, 1 / 2, 1 / 3, 0])
    assert partial_area(curve, 0.3) == pytest.approx(0.25 / 2 + 0.05 / 3)
    assert partial_area(curve, 0.5, trapezoid=True) == pytest.approx((1 / 2 + 1 / 3) / 8 + 1 / 3 / 8)
    assert normalized_partial_area(curve, 0.3) == pytest.approx((0.25 / 2 + 0.05 / 3) / 0.15)


def test_ties_are_discarded_together():
    curve = error_versus_discard(np.array([True, False, True, False]), np.array([1.0, 1.0, 1.0, 2.0]))
    np.testing.assert_allclose(curve.discard, [0, 3 / 4, 1])
    np.testing.assert_allclose(curve.error, [1 / 2, 0, 0])


@given(pairs, st.randoms())
def test_order_of_pairs_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    for one, other in zip(
        error_versus_discard(*columns(rows)[:2]), error_versus_discard(*columns(shuffled)[:2]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@given(pairs)
def test_weights_repeat_pairs(rows):
    errors, qualities, weights = columns(rows)
    if not weights.any():
        with pytest.raises(PfiqError, match="no pairs"):
            error_versus_discard(errors, qualities, weights)
        return
    weighted = error_versus_discard(errors, qualities, weights)
    repeated = error_versus_discard(np.repeat(errors, weights), np.repeat(qualities, weights))
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_array_equal(one, other)


@given(pairs)
def test_steps_are_rates_from_none_to_all(rows):
    errors, qualities, _ = columns(rows)
    curve = error_versus_discard(errors, qualities)
    assert curve.discard[0] == 0
    assert curve.discard[-1] == 1
    assert (np.diff(curve.discard) > 0).all()
    assert curve.error[0] == errors.mean()
    assert ((curve.error >= 0) & (curve.error <= 1)).all()
    assert (curve.error >= perfect_error(errors.mean(), curve.discard) - 1e-12).all()


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.sampled_from([0.1, 0.3, 1.0]))
def test_a_perfect_score_reaches_the_perfect_curve(errors, limit):
    errors = np.array(errors)
    curve = error_versus_discard(errors, np.argsort(np.argsort(~errors, kind="stable")).astype(np.float64))
    np.testing.assert_allclose(curve.error, perfect_error(errors.mean(), curve.discard), atol=1e-12)
    area = perfect_area(errors.mean(), limit)
    assert area - 1e-12 <= partial_area(curve, limit) <= area + 1 / len(errors)
    assert theoretical_best_area(errors.mean(), limit) <= area + 1e-12


def test_perfect_area_is_the_integral():
    for start, limit in ((0.2, 0.3), (0.5, 0.3), (1.0, 0.4), (0.0, 0.3)):
        shares = np.linspace(0, limit, 100_001)
        assert perfect_area(start, limit) == pytest.approx(np.trapezoid(perfect_error(start, shares), shares), abs=1e-8)


def test_random_scores_give_a_flat_curve_in_expectation():
    generator = np.random.default_rng(0)
    errors = generator.random(400) < 0.3
    curves = [error_versus_discard(errors, generator.random(400)) for _ in range(400)]
    np.testing.assert_allclose(np.mean([curve.error[:300] for curve in curves], 0), errors.mean(), atol=0.01)
    assert np.mean([normalized_partial_area(curve, 0.3) for curve in curves]) == pytest.approx(1, abs=0.005)


def test_without_errors_there_is_nothing_to_gain():
    curve = error_versus_discard(np.zeros(3, bool), np.arange(3.0))
    assert partial_area(curve, 1.0) == 0
    assert np.isnan(normalized_partial_area(curve, 0.3))


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1, float("nan")])
def test_refuses_limits(limit):
    curve = error_versus_discard(np.ones(1, bool), np.ones(1))
    for area in (partial_area, normalized_partial_area):
        with pytest.raises(PfiqError, match="share of pairs"):
            area(curve, limit)
    for best in (perfect_area, theoretical_best_area):
        with pytest.raises(PfiqError, match="share of pairs"):
            best(0.5, limit)
