import numpy as np
import pytest

from pfiq_jax import ARCFACE_TORCH, PfiqError
from pfiq_jax.variation import central_face, permutation_test, pool

SIZE = (6, 6)
REGION = np.pad(np.ones((2, 2), bool), 2)


def cells(seed, faces, spread=0.1):
    """Maps that vary only at the border, by the given spread."""
    generator = np.random.default_rng(seed)
    spreads = np.where(REGION, 0.1, spread)
    return generator.normal(0.5, spreads, (faces, *SIZE)).clip(0, 1).astype(np.float32)


def test_cells_are_means():
    maps = np.random.default_rng(0).random((3, 112, 112)).astype(np.float32)
    expected = maps.reshape(3, 14, 8, 14, 8).mean((2, 4), dtype=np.float64)
    np.testing.assert_allclose(pool(maps), expected, atol=2**-21 + 1e-7)
    assert pool(maps).dtype == np.float32


def test_cells_do_not_depend_on_the_batch():
    maps = np.random.default_rng(0).random((9, 45, 30)).astype(np.float32)
    together = pool(maps)
    assert together.shape == (9, 14, 14)
    np.testing.assert_array_equal(np.concatenate([pool(face[None]) for face in maps]), together)


def test_an_effect_outside_the_region_has_the_least_p_value():
    high, low = cells(0, 40), cells(1, 50, spread=0.3)
    found = permutation_test(high, low, REGION, permutations=200)
    difference = low.astype(np.float64).std(0, ddof=1) - high.astype(np.float64).std(0, ddof=1)
    np.testing.assert_allclose(found.cell_differences, difference, rtol=1e-9)
    assert found.difference == pytest.approx(difference[~REGION].mean(), rel=1e-9)
    assert found.p_value == pytest.approx(1 / 201)
    assert (found.cell_p_values[~REGION] < 0.05).mean() > 0.9
    assert (found.cell_p_values[REGION] > 0.05).all()


def test_the_test_is_one_sided():
    assert permutation_test(cells(1, 40, spread=0.3), cells(0, 40), REGION, permutations=100).p_value == 1


def test_without_an_effect_p_values_are_uniform():
    tests = [
        permutation_test(cells(2 * seed, 12), cells(2 * seed + 1, 15), REGION, permutations=99) for seed in range(100)
    ]
    p_values = np.array([test.p_value for test in tests])
    # a binomial with 100 draws and a chance of 0.05 exceeds 11 in 0.4% of cases
    assert (p_values < 0.05).sum() <= 11
    assert sum((test.cell_p_values < 0.05).any() for test in tests) <= 11  # of 36 cells, any
    assert 0.4 < p_values.mean() < 0.6  # standard error 0.03


def test_the_order_of_faces_does_not_matter_and_the_seed_does():
    high, low = cells(0, 20), cells(1, 25)
    found = permutation_test(high, low, REGION, permutations=100)
    other = permutation_test(high[::-1], np.random.default_rng(5).permutation(low), REGION, permutations=100)
    for one, same in zip(found, other, strict=True):
        np.testing.assert_array_equal(one, same)
    seeds = {permutation_test(high, low, REGION, permutations=100, seed=seed).p_value for seed in range(5)}
    assert len(seeds) > 1


def test_of_few_faces_all_permutations_are_taken():
    high, low = (np.broadcast_to(np.float32(values)[:, None, None], (2, *SIZE)) for values in ([0.5, 0.5], [0, 1]))
    found = permutation_test(high, low, REGION)
    assert found.difference == pytest.approx(0.5**0.5)
    assert found.p_value == pytest.approx(2 / 7)  # one of six ways to deal them has this difference


def test_faces_that_are_all_alike_are_no_evidence():
    flat = np.full((5, *SIZE), 0.3, np.float32)
    found = permutation_test(flat, flat, REGION, permutations=20)
    assert found.difference == 0
    assert found.p_value == 1
    assert (found.cell_p_values == 1).all()


def test_cells_partly_in_the_region_count_in_part():
    region = central_face(ARCFACE_TORCH)
    high, low = np.zeros((4, 14, 14), np.float32), np.zeros((4, 14, 14), np.float32)
    low[::2, 5] = 1  # rows 40 to 47, some of whose pixels are central
    share = (~region)[40:48].sum() / (~region).sum()
    assert permutation_test(high, low, region, permutations=10).difference == pytest.approx(share / 3**0.5)


def test_what_does_not_fit_is_refused():
    some = cells(0, 5)
    with pytest.raises(PfiqError, match="two or more of each quality"):
        permutation_test(some[:1], some, REGION)
    with pytest.raises(PfiqError, match="1 or more"):
        permutation_test(some, some, REGION, permutations=0)
    with pytest.raises(PfiqError, match="of the region's size"):
        permutation_test(some, some, np.eye(5, dtype=bool))
    with pytest.raises(PfiqError, match="on either side"):
        permutation_test(some, some, np.ones(SIZE, bool))
    with pytest.raises(PfiqError, match="give a batch"):
        pool(np.zeros((112, 112)))
    with pytest.raises(PfiqError, match="NaN"):
        pool(np.full((1, 112, 112), np.nan))
