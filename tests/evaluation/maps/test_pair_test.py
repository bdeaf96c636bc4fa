"""The place-matched pair test, by hand and on maps that do not look at the face."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pfiq_jax.evaluation.maps.covers import COVERS
from pfiq_jax.evaluation.maps.explained import Explained
from pfiq_jax.evaluation.maps.pair_test import (
    PAIR_TEST_MAPS,
    Pair,
    covered_pair,
    disjoint_squares,
    pair_test,
    pair_tests,
)

PEOPLE = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), np.uint8)


def explained(maps: np.ndarray) -> Explained:
    return Explained(np.zeros(len(maps)), maps)


def test_by_hand():
    """Three pixels in a row; the first two are the places. Both places win, both win, none wins, both are equal."""
    first, second = (np.zeros((4, 1, 3), bool) for _ in range(2))
    first[:, 0, 0], second[:, 0, 1] = True, True
    covered = np.array([[[0, 1, 2]], [[0, 1, 2]], [[2, 0, 1]], [[1, 1, 1]]], np.float32)  # at the first place
    other = np.array([[[1, 0, 2]], [[1, 1, 2]], [[0, 2, 1]], [[1, 1, 1]]], np.float32)  # at the second place
    images = tuple(np.full((4, 1, 3, 3), fill, np.uint8) for fill in (0, 1))
    maps = {0: covered, 1: other}
    found = pair_test(lambda faces: explained(maps[int(faces[0, 0, 0, 0])]), Pair(images, (first, second)))
    # The second face has the ranks 0, 0.5, 1 and, with a tie, 0.25, 0.25, 1: 0 < 0.25, and 0.25 < 0.5.
    np.testing.assert_array_equal(found, [1, 1, 0, 0.5])


def test_one_place_of_two():
    regions = tuple(np.eye(3, dtype=bool)[[index]][None] for index in (0, 1))
    images = tuple(np.full((1, 1, 3, 3), fill, np.uint8) for fill in (0, 1))
    maps = {0: np.array([[[0, 1, 2]]], np.float32), 1: np.array([[[1, 2, 0]]], np.float32)}
    found = pair_test(lambda faces: explained(maps[int(faces[0, 0, 0, 0])]), Pair(images, regions))
    np.testing.assert_array_equal(found, [0.5])  # at the first 0 < 1, at the second 2 > 1
    maps[0][:] = np.nan
    assert np.isnan(pair_test(lambda faces: explained(maps[int(faces[0, 0, 0, 0])]), Pair(images, regions))).all()


def test_a_map_that_is_low_where_it_is_covered_scores_1_and_its_opposite_0():
    people = np.full((4, 28, 28, 3), 200, np.uint8)
    values = pair_tests(0, people, {"bright": lambda faces: explained(np.float32(faces[..., 0]))})
    np.testing.assert_array_equal(values["bright", "ppt_black"], 1)
    np.testing.assert_array_equal(values["bright", "ppt_glare"], 0)  # 250 where it was 200
    np.testing.assert_array_equal(values["bright", "ppt_blur"], 0.5)  # which changes nothing
    np.testing.assert_array_equal(values["bright", "ppt_foreign"], 0.5)
    kinds = ("texture", "scramble", "blur", "noise", "glare")
    mean = np.mean([values["bright", f"ppt_{kind}"] for kind in kinds], 0)
    np.testing.assert_allclose(values["bright", "ppt"], mean)


@settings(max_examples=20, deadline=None)
@given(
    arrays(np.float32, (4, 28, 28), elements=st.floats(-1e6, 1e6, width=32)),
    st.integers(0, 1000),
    st.sampled_from(tuple(COVERS)),
)
def test_a_map_that_does_not_look_at_the_face_scores_exactly_half(maps, seed, kind):
    pair = covered_pair(seed, kind, PEOPLE)
    np.testing.assert_array_equal(pair_test(lambda _: explained(maps), pair), 0.5)
    np.testing.assert_array_equal(pair_test(lambda _: explained(maps[[0, 0, 0, 0]]), pair), 0.5)  # places alone


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.tuples(st.integers(8, 40), st.integers(8, 40)), st.data())
def test_squares_are_disjoint_and_inside(seed, size, data):
    sides = np.array(data.draw(st.lists(st.integers(1, min(size) // 2), min_size=1, max_size=8)))
    for first, second, side in zip(*disjoint_squares(np.random.default_rng(seed), sides, size), sides, strict=True):
        assert (np.abs(first - second) >= side).any()
        for corner in (first, second):
            assert (corner >= 0).all()
            assert (corner + side <= size).all()


def test_squares_are_uniform_over_all_disjoint_pairs():
    """Two squares of one pixel in two pixels by two: twelve ordered pairs."""
    count = 12_000
    first, second = disjoint_squares(np.random.default_rng(0), np.ones(count, int), (2, 2))
    pairs, counts = np.unique(np.concatenate([first, second], 1), axis=0, return_counts=True)
    assert len(pairs) == 12
    assert (np.abs(counts - 1000) < 130).all()


@pytest.mark.parametrize("kind", COVERS)
def test_pairs_hold_the_same_kind_of_cover_at_two_places(kind):
    pair = covered_pair(3, kind, PEOPLE)
    for images, region in zip(pair.images, pair.regions, strict=True):
        np.testing.assert_array_equal(images[~region], PEOPLE[~region])
        np.testing.assert_array_equal(region.sum((1, 2)), [36, 64, 36, 64])
    assert not (pair.regions[0] & pair.regions[1]).any()


def test_every_kind_takes_two_maps():
    seen = []

    def count(faces: np.ndarray) -> Explained:
        seen.append(len(faces))
        return explained(np.zeros(faces.shape[:3], np.float32))

    pair_tests(0, PEOPLE, {"counted": count})
    assert seen == [4] * PAIR_TEST_MAPS
