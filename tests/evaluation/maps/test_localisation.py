"""Localisation: places of the covers, and areas under ROC curves by hand."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from pfiq_jax.evaluation.maps.covers import COVERS, MAIN_COVERS
from pfiq_jax.evaluation.maps.explained import Explained
from pfiq_jax.evaluation.maps.localisation import (
    EXAMPLES,
    LOCALISATION_MAPS,
    auroc,
    covered_face,
    localise,
    pooled_auroc,
    squares_on_faces,
    suspicion,
)

GENERATOR = np.random.default_rng(0)


def test_auroc_by_hand():
    regions = np.array([[[True, True, False, False]]] * 3)
    values = np.array([[[4, 2, 1, 3]], [[1, 1, 1, 1]], [[2, 1, 1, 0]]], np.float32)
    np.testing.assert_allclose(auroc(values, regions), [3 / 4, 1 / 2, (1 + 1 + 0.5 + 1) / 4])


def test_areas_are_those_of_mann_and_whitney():
    values = GENERATOR.integers(0, 20, (3, 9, 7)).astype(np.float32)
    regions = GENERATOR.random((3, 9, 7)) < 0.3
    wanted = [
        mannwhitneyu(of_face[region], of_face[~region]).statistic / (region.sum() * (~region).sum())
        for of_face, region in zip(values, regions, strict=True)
    ]
    np.testing.assert_allclose(auroc(values, regions), wanted)
    area = pooled_auroc(values, regions)
    for counts in ([1, 1, 1], [2, 0, 1], [0, 3, 0]):
        many, where = np.repeat(values, counts, 0), np.repeat(regions, counts, 0)
        wanted = mannwhitneyu(many[where], many[~where]).statistic / (where.sum() * (~where).sum())
        assert area(np.array(counts)) == pytest.approx(wanted)


def test_only_the_pooled_area_needs_one_scale():
    """Two faces whose covered pixel is the worst of its own, but the first one's values are all below the second's."""
    values = np.array([[[1, 0, 0]], [[5, 4, 4]]], np.float32)
    regions = np.array([[[True, False, False]]] * 2)
    np.testing.assert_array_equal(auroc(values, regions), 1)
    assert pooled_auroc(values, regions)(np.ones(2, int)) == pytest.approx((2 + 4) / 8)


def test_the_deficit_localises_where_there_is_one():
    maps, deficits = np.zeros((2, 1, 2, 2), np.float32)
    assert suspicion(Explained(np.zeros(1), maps, deficits)) is deficits
    np.testing.assert_array_equal(suspicion(Explained(np.zeros(1), maps + 1)), -1)


@pytest.mark.parametrize("side", [112, 160])
def test_centres_lie_within_the_face_and_fill_it(side):
    sides = np.full(4000, 24)
    corners = squares_on_faces(np.random.default_rng(0), sides, (side, side))
    assert (corners >= 0).all()
    assert (corners + 24 <= side).all()
    row, column = ((corners + 12) * 112 / side).T
    assert (((row - 62) / 44) ** 2 + ((column - 56) / 34) ** 2 <= 1).all()
    assert row.min() < 22
    assert row.max() > 98
    assert column.min() < 24
    assert column.max() > 88


def test_covered_faces():
    people = GENERATOR.integers(0, 256, (4, 112, 112, 3), np.uint8)
    covered, regions = covered_face(0, "noise", people)
    np.testing.assert_array_equal(covered[~regions], people[~regions])
    np.testing.assert_array_equal(regions.sum((1, 2)), [576, 1024, 576, 1024])


def test_localise_measures_every_kind():
    people, seen = np.full((4, 28, 28, 3), 200, np.uint8), []

    def brightness(faces: np.ndarray) -> Explained:
        seen.append(len(faces))
        return Explained(np.zeros(len(faces)), np.float32(faces[..., 0]) / 255)

    found = localise(0, people, {"bright": brightness})
    assert seen == [4] * LOCALISATION_MAPS
    np.testing.assert_allclose(found.values["bright", "localisation_black"], 1)
    np.testing.assert_allclose(found.values["bright", "localisation_glare"], 0, atol=1e-12)
    np.testing.assert_array_equal(found.values["bright", "localisation_foreign"], 0.5)
    kinds = [found.values["bright", f"localisation_{kind}"] for kind in MAIN_COVERS]
    np.testing.assert_allclose(found.values["bright", "localisation"], np.mean(kinds, 0))
    # Every face has the same scale here, but not the same size of cover.
    assert found.pooled["bright"](np.ones(4, int)) == pytest.approx(np.mean(kinds), abs=0.02)
    assert list(found.covered) == list(COVERS)
    for of_kind in found.covered.values():
        assert len(of_kind.images) == len(of_kind.explained["bright"].map) == EXAMPLES
