import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.scores import comparisons as module
from pfiq_jax.evaluation.scores.comparisons import (
    compare_all_pairs,
    non_mated_weight,
    support_warning,
    threshold_at_fmr,
)


def people(seed: int = 0, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 5)).astype(np.float32), generator.integers(0, 9, count)


def brute_force(embeddings, identities):
    """Images and cosines of all pairs, and which are mated."""
    units = embeddings.astype(np.float64) / np.linalg.norm(embeddings, axis=1, keepdims=True)
    pairs = np.argwhere(np.triu(np.ones((len(units),) * 2), 1))
    similarity = np.sum(units[pairs[:, 0]] * units[pairs[:, 1]], 1)
    labels = np.asarray(identities)
    return pairs, similarity, labels[pairs[:, 0]] == labels[pairs[:, 1]]


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(module, "_TILE", 16)


@pytest.fixture
def few_kept(monkeypatch):
    monkeypatch.setattr(module, "_KEPT_AT_LEAST", 10)


def test_two_people_by_hand():
    found = compare_all_pairs(np.array([[2.0, 0.0], [0.0, 0.5], [3.0, 0.0]]), ["ann", "ann", "bob"])
    np.testing.assert_array_equal(found.identities, [0, 0, 1])
    np.testing.assert_array_equal(found.mated, [[0, 1]])
    np.testing.assert_array_equal(found.mated_similarity, [0])
    np.testing.assert_array_equal(found.non_mated, [[0, 2], [1, 2]])
    np.testing.assert_array_equal(found.non_mated_similarity, [1, 0])
    np.testing.assert_array_equal(found.nearest_other, [1, 0, 1])
    assert found.non_mated_count == 2
    assert threshold_at_fmr(found, 0.25) == pytest.approx(0.75)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("count", [2, 15, 16, 17, 40])
def test_tiles_equal_brute_force(count):
    embeddings, identities = people(count=count)
    pairs, similarity, mated = brute_force(embeddings, identities)
    found = compare_all_pairs(embeddings, identities)
    order = np.lexsort(found.mated.T[::-1])
    np.testing.assert_array_equal(found.mated[order], pairs[mated])
    np.testing.assert_allclose(found.mated_similarity[order], similarity[mated], atol=1e-6)
    assert found.non_mated_count == np.sum(~mated) == len(found.non_mated)
    np.testing.assert_allclose(found.non_mated_similarity, np.sort(similarity[~mated])[::-1], atol=1e-6)
    nearest = [np.max(similarity[~mated & (pairs == image).any(1)], initial=-np.inf) for image in range(count)]
    np.testing.assert_allclose(found.nearest_other, nearest, atol=1e-6)
    if found.non_mated_count:
        assert threshold_at_fmr(found, 0.01) == pytest.approx(np.quantile(similarity[~mated], 0.99), abs=1e-6)


@pytest.mark.usefixtures("small_tiles", "few_kept")
def test_only_the_highest_non_mated_pairs_are_kept():
    embeddings, identities = people(count=100)
    _, similarity, mated = brute_force(embeddings, identities)
    found = compare_all_pairs(embeddings, identities, fmr=0.01)
    assert len(found.non_mated) == np.ceil(0.04 * np.sum(~mated))
    np.testing.assert_allclose(
        found.non_mated_similarity, np.sort(similarity[~mated])[::-1][: len(found.non_mated)], atol=1e-6
    )
    assert threshold_at_fmr(found, 0.01) == pytest.approx(np.quantile(similarity[~mated], 0.99), abs=1e-6)


def test_order_of_images_does_not_matter():
    embeddings, identities = people()
    order = np.random.default_rng(1).permutation(len(identities))
    one, other = compare_all_pairs(embeddings, identities), compare_all_pairs(embeddings[order], identities[order])
    assert threshold_at_fmr(one) == pytest.approx(threshold_at_fmr(other), abs=1e-6)
    np.testing.assert_allclose(np.sort(one.mated_similarity), np.sort(other.mated_similarity), atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=9, max_size=9), st.sampled_from([0.001, 0.01, 0.1, 0.5]))
def test_weights_repeat_pairs(weights_of_people, fmr):
    embeddings, identities = people(count=30)
    found = compare_all_pairs(embeddings, identities)
    weights = np.array(weights_of_people)[identities]
    pairs, similarity, mated = brute_force(embeddings, identities)
    times = weights[pairs].prod(1)[~mated]
    assert non_mated_weight(found.identities, weights) == times.sum()
    if times.sum():
        wanted = np.quantile(np.repeat(similarity[~mated], times), 1 - fmr)
        assert threshold_at_fmr(found, fmr, weights) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.usefixtures("few_kept")
def test_a_sample_beyond_the_kept_pairs_gets_the_lowest_kept():
    embeddings, identities = people()
    found = compare_all_pairs(embeddings, identities, fmr=0.001)
    assert threshold_at_fmr(found, 0.5) == pytest.approx(found.non_mated_similarity[-1])


@pytest.mark.parametrize(
    ("embeddings", "identities", "fmr", "reason"),
    [
        (np.zeros(3), [0, 1, 2], 0.1, "embeddings have shape"),
        (np.full((2, 3), np.nan), [0, 1], 0.1, "hold NaN"),
        (np.ones((2, 3)), [0], 0.1, "there are 1 for 2 embeddings"),
        (np.ones((2, 3)), [0, 1], 0.0, "false match rate is 0"),
        (np.ones((2, 3)), [0, 1], 1.0, "false match rate is 1"),
    ],
)
def test_refuses(embeddings, identities, fmr, reason):
    with pytest.raises(PfiqError, match=reason):
        compare_all_pairs(embeddings, identities, fmr=fmr)


def test_no_threshold_without_non_mated_pairs():
    with pytest.raises(PfiqError, match="no two images of different people"):
        threshold_at_fmr(compare_all_pairs(np.ones((3, 2)), [0, 0, 0]))


def test_warns_of_few_non_mated_pairs():
    assert support_warning(10_000, 0.001) is None
    assert "10,000 pairs or more" in (support_warning(9_999, 0.001) or "")
