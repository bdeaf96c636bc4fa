"""Regions of a face by hand, which of them are marked, and in what words."""

import numpy as np
import pytest

from pfiq_jax import Preprocessing
from pfiq_jax.maps.face_regions import ALL_CONTRIBUTE, MARKED, face_regions, mark_regions, region_deficits
from pfiq_jax.recognizers import ARCFACE_MXNET
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

REGIONS = face_regions(ARCFACE_MXNET)
NAMES = ("forehead", "right eye", "left eye", "nose", "right cheek", "left cheek", "mouth", "chin")


def with_deficit(deficits: dict[str, float], elsewhere: float = 0.5) -> np.ndarray:
    """A deficit map that is constant in each region."""
    values = np.full((112, 112), elsewhere, np.float32)
    for name, deficit in deficits.items():
        values[REGIONS[name]] = deficit
    return values


def test_regions_are_disjoint_and_lie_where_their_names_say():
    assert tuple(REGIONS) == NAMES
    assert np.sum(list(REGIONS.values()), 0).max() == 1
    assert min(region.sum() for region in REGIONS.values()) > 16 * 16  # the map has a resolution of about 8 pixels
    points = {"right eye": 0, "left eye": 1, "nose": 2}
    for name, index in points.items():
        x, y = np.round(ARCFACE_TEMPLATE[index]).astype(int)
        assert REGIONS[name][y, x]
    # row, column in the image: mouth between its corners, forehead above the eyes, cheeks next to the nose
    for name, row, column in (
        ("mouth", 92, 56),
        ("forehead", 25, 56),
        ("chin", 108, 56),
        ("right cheek", 75, 32),
        ("left cheek", 75, 80),
    ):
        assert REGIONS[name][row, column], name
    assert not any(region[row, column] for region in REGIONS.values() for row in (0, 111) for column in (0, 111))


def test_left_and_right_are_the_persons():
    centre = {name: np.argwhere(region).mean(0)[1] for name, region in REGIONS.items()}
    assert centre["right eye"] < 50 < 60 < centre["left eye"]  # columns of the image
    assert centre["right cheek"] < 50 < 60 < centre["left cheek"]


def test_regions_follow_the_template_and_the_size():
    larger = face_regions(Preprocessing(size=(224, 224)))
    for name, region in larger.items():
        assert region.shape == (224, 224)
        assert region.sum() == pytest.approx(4 * REGIONS[name].sum(), rel=0.05)
    shifted = tuple((x + 4, y + 2) for x, y in ARCFACE_TEMPLATE)
    moved = face_regions(Preprocessing(template=shifted))
    np.testing.assert_array_equal(moved["nose"][2:, 4:], REGIONS["nose"][:-2, :-4])


def test_a_region_has_the_median_of_its_pixels_worst_first():
    deficit = with_deficit({"mouth": 0.9, "nose": 0.7})
    rows, columns = np.nonzero(REGIONS["chin"])
    few = len(rows) // 2 - 1
    deficit[rows[:few], columns[:few]] = 1  # fewer than half of its pixels
    found = region_deficits(deficit, REGIONS)
    assert [each.name for each in found[:2]] == ["mouth", "nose"]
    assert found[0].deficit == pytest.approx(0.9)
    assert {each.deficit for each in found[2:]} == {0.5}
    assert not any(each.marked for each in found)


def test_words_and_area_of_sunglasses():
    deficit = with_deficit({"right eye": 0.9871, "left eye": 1.0})
    deficit[:10, :10] = 1  # in the background, apart from the face
    marked = mark_regions(deficit, REGIONS)
    assert marked.sentences() == [
        "left eye: contributes less than in 99% of good faces",
        "right eye: contributes less than in 98% of good faces",
    ]
    np.testing.assert_array_equal(marked.area, REGIONS["right eye"] | REGIONS["left eye"])


def test_an_area_goes_on_beyond_its_region():
    deficit = with_deficit({"mouth": 1.0})
    deficit[:, 56] = 1
    area = mark_regions(deficit, REGIONS).area
    assert area[:, 56].all()
    assert area.sum() == np.sum(REGIONS["mouth"]) + np.sum(~REGIONS["mouth"][:, 56])


def test_a_good_face_has_no_marked_region():
    smooth = np.linspace(0, 1, 112, dtype=np.float32)[:, None] * np.ones((1, 112), np.float32)
    marked = mark_regions(smooth, REGIONS)
    assert smooth.max() > MARKED  # single pixels do not matter
    assert marked.sentences() == [ALL_CONTRIBUTE]
    assert not marked.area.any()


def test_nan_is_not_marked():
    marked = mark_regions(with_deficit({"nose": np.nan}), REGIONS)
    (nose,) = [each for each in marked.regions if each.name == "nose"]
    assert np.isnan(nose.deficit)
    assert not nose.marked
