import dataclasses

import numpy as np
import pytest

from pfiq_jax import ARCFACE_TORCH, PfiqError, Preprocessing
from pfiq_jax.variation import (
    by_region,
    central_face,
    deviation,
    deviation_scores,
    difference_maps,
    mean_by_region,
    summarize,
)
from pfiq_jax.variation.variation import STATISTICS


def one_row(*faces):
    return np.array(faces, np.float32)[:, None, :]


REGION = np.array([[True, False, False]])


def test_the_central_face_holds_the_landmarks_and_leaves_the_border():
    region = central_face(ARCFACE_TORCH)
    assert region.shape == (112, 112)
    assert region.dtype == bool
    for x, y in ARCFACE_TORCH.template:
        assert region[round(y), round(x)]
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    # the landmarks' box is 38.3..73.5 by 51.5..92.4: a quarter of its sides is added on each side
    assert (columns[0], columns[-1], rows[0], rows[-1]) == (30, 82, 42, 102)
    assert region.mean() == pytest.approx(np.pi * 26.43 * 30.65 / 112**2, abs=0.001)


def test_without_a_template_the_central_face_is_arcfaces():
    np.testing.assert_array_equal(central_face(Preprocessing()), central_face(ARCFACE_TORCH))
    grown = central_face(Preprocessing(size=(224, 112)))
    np.testing.assert_array_equal(grown[::2], central_face(ARCFACE_TORCH))


def test_a_template_of_its_own_is_taken():
    moved = tuple((x, y + 8) for x, y in ARCFACE_TORCH.template)
    region = central_face(dataclasses.replace(ARCFACE_TORCH, template=moved))
    np.testing.assert_array_equal(region[8:], central_face(ARCFACE_TORCH)[:-8])


def test_inside_and_outside():
    values = np.array([[1.0, 2.0, 6.0]])
    inside, outside = by_region(values, REGION)
    assert (inside.tolist(), outside.tolist()) == ([1], [2, 6])
    assert mean_by_region(values, REGION) == (1, 4)


def test_differences_reach_to_one():
    high = summarize([one_row([0, 0.5, 0.5], [0, 0.5, 0.5])])
    low = summarize([one_row([0, 0.25, 0], [0, 0.75, 1])])
    differences = difference_maps(high, low)
    assert tuple(differences) == STATISTICS
    np.testing.assert_array_equal(differences["mean"], np.zeros((1, 3)))  # flat
    np.testing.assert_allclose(differences["std"], [[0, 0.5, 1]], rtol=1e-15)
    np.testing.assert_allclose(differences["median"], [[0, 0.5, 1]], rtol=1e-15)
    np.testing.assert_allclose(differences["squared_deviation_spread"], [[0, 0.25, 1]], rtol=1e-15)


def test_deviation_of_single_faces_and_of_many():
    good = summarize([one_row([0, 0.5, 0.5], [0.5, 0.5, 1])])  # mean 0.25, 0.5, 0.75
    maps = one_row([0.25, 1, 0.75], [1, 0, 0.5])
    expected = one_row([0, 0.5, 0], [0.75, 0.5, 0.25])
    np.testing.assert_array_equal(deviation(good, maps), expected)
    np.testing.assert_array_equal(deviation(good, maps[1]), expected[1])
    whole, outside = deviation_scores(deviation(good, maps), REGION)
    np.testing.assert_allclose(whole, [1 / 6, 0.5], rtol=1e-15)
    np.testing.assert_array_equal(outside, [0.25, 0.375])


def test_a_score_does_not_depend_on_the_batch():
    deviations = np.random.default_rng(0).random((20, 30, 30))
    region = deviations[0] < 0.3
    together = deviation_scores(deviations, region)
    for index in range(20):
        alone = deviation_scores(deviations[index : index + 1], region)
        assert (alone.whole[0], alone.outside[0]) == (together.whole[index], together.outside[index])


def test_what_does_not_fit_is_refused():
    good, other = (summarize([np.zeros((2, *shape), np.float32)]) for shape in ((1, 3), (3, 1)))
    with pytest.raises(PfiqError, match="maps of one size"):
        difference_maps(good, other)
    with pytest.raises(PfiqError, match="the same recogniser"):
        deviation(good, np.zeros((3, 1)))
    with pytest.raises(PfiqError, match="one of their size"):
        by_region(np.zeros((3, 1)), REGION)
    for region in (np.zeros((1, 3), bool), np.ones((1, 3), bool)):
        with pytest.raises(PfiqError, match="on either side"):
            deviation_scores(np.zeros((1, 1, 3)), region)
