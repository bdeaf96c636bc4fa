"""Squares: where they lie, and whether a map finds them."""

import numpy as np
import pytest

from pfiq_jax import PfiqError, PixelQuality
from pfiq_jax.evaluation.maps.masks import MASK_MEASURES, evaluate_masks, mask_squares, ranks_lowest
from pfiq_jax.evaluation.maps.pictures import plot_masks
from pfiq_jax.evaluation.maps.regions import mean_within
from pfiq_jax.evaluation.maps.report import json_of_rows, masks_table

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(60, 256, (7, 40, 40, 3), np.uint8)


@pytest.mark.parametrize("size", [1, 10, 39])
def test_squares_are_black_and_wholly_inside(size):
    masked = mask_squares(0, "black", IMAGES, size)
    for image, clean, region, (row, column) in zip(masked.images, IMAGES, masked.regions, masked.corners, strict=True):
        assert region.sum() == size**2
        assert region[row : row + size, column : column + size].all()
        assert not image[region].any()
        np.testing.assert_array_equal(image[~region], clean[~region])


def test_squares_lie_anywhere_and_repeat():
    many = np.zeros((2000, 12, 14, 3), np.uint8)
    corners = mask_squares(0, "black", many, 10).corners
    assert {tuple(corner) for corner in corners} == {(row, column) for row in range(3) for column in range(5)}
    np.testing.assert_array_equal(corners, mask_squares(0, "black", many, 10).corners)
    assert (corners != mask_squares(1, "black", many, 10).corners).any()


@pytest.mark.parametrize("size", [0, 40, 50])
def test_squares_that_do_not_fit(size):
    with pytest.raises(PfiqError, match=f"a square of {size} pixels does not fit into 40x40; give 1 to 39"):
        mask_squares(0, "black", IMAGES, size)


@pytest.fixture(scope="module")
def evaluation(small, brightness):
    done = []
    evaluation = evaluate_masks(small, IMAGES, brightness, kind="black", sizes=(3, 10), advance=done.append)
    assert done == [1, 1]
    return evaluation


def test_squares_are_drawn_on_the_better_half_best_first(evaluation):
    qualities = IMAGES.mean((1, 2, 3)) / 255
    order = np.argsort(-qualities)[:4]
    np.testing.assert_array_equal(evaluation.images, IMAGES[order])
    np.testing.assert_allclose(evaluation.clean.quality, qualities[order], rtol=1e-5)
    for size in (3, 10):
        np.testing.assert_array_equal(
            evaluation.masked[size].images, mask_squares(size, "black", IMAGES[order], size).images
        )


@pytest.mark.parametrize("size", [3, 10])
def test_a_map_that_is_low_in_the_mask_finds_it(evaluation, size):
    estimates = {name: estimate.value for name, estimate in evaluation.estimates[str(size)].items()}
    assert list(estimates) == [measure.name for measure in MASK_MEASURES]
    assert estimates["found"] == 1
    assert estimates["inside_after"] == 0
    assert estimates["outside_after"] == pytest.approx(estimates["outside_before"], rel=1e-6)
    assert (evaluation.explained[size].quality < evaluation.clean.quality).all()
    assert estimates["quality_after"] == pytest.approx(evaluation.explained[size].quality.mean(), rel=1e-6)
    regions = evaluation.masked[size].regions
    clean = [image[region].mean() / 255 for image, region in zip(evaluation.images, regions, strict=True)]
    assert estimates["inside_before"] == pytest.approx(np.mean(clean), rel=1e-5)
    found = evaluation.estimates[str(size)]["inside_before"]
    assert found.low < found.value < found.high


def test_a_map_that_is_high_in_the_mask_does_not_find_it(small, brightness):
    def opposite(recognizer, images) -> PixelQuality:
        result = brightness(recognizer, images)
        return result._replace(map=1 - result.map)

    assert evaluate_masks(small, IMAGES, opposite, kind="black", sizes=(10,)).estimates["10"]["found"].value == 0


def test_a_deficit_takes_the_place_of_the_map(small, brightness):
    def lacking(recognizer, images) -> PixelQuality:
        result = brightness(recognizer, images)
        return result._replace(map=0.5 + 0 * result.map, deficit=1 - result.map)

    assert evaluate_masks(small, IMAGES, lacking, kind="black", sizes=(10,)).estimates["10"]["found"].value == 1


def test_by_default_squares_hold_texture(small, brightness):
    drawn = evaluate_masks(small, IMAGES, brightness, sizes=(10,)).masked[10]
    assert all(image[region].std() > 0 for image, region in zip(drawn.images, drawn.regions, strict=True))


def test_the_seed_decides(small, brightness, evaluation):
    same, other = (evaluate_masks(small, IMAGES, brightness, kind="black", sizes=(3,), seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(same.masked[3].corners, evaluation.masked[3].corners)
    assert same.estimates["3"] == evaluation.estimates["3"]
    assert (other.masked[3].corners != same.masked[3].corners).any()


def test_report(evaluation):
    text = masks_table(evaluation, "bright", "black")
    assert text.startswith(
        "4 good faces, one of each person; squares of black by side in pixels; map: bright. In brackets"
    )
    assert "| 10 | 1.000 [1.000, 1.000] |" in text
    assert "- found: share of faces" in text
    report = json_of_rows("bright", evaluation.estimates)
    assert report["default"] == "bright"
    assert len(report["methods"]["bright"]) == 2 * len(MASK_MEASURES)
    assert report["methods"]["bright"]["found_10"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    axes = plot_masks(evaluation, "bright", "black").axes
    assert [each.get_title() for each in axes[:3]] == [
        f"{evaluation.clean.quality[0]:.3f}",
        f"3 px: {evaluation.explained[3].quality[0]:.3f}",
        f"10 px: {evaluation.explained[10].quality[0]:.3f}",
    ]
    np.testing.assert_array_equal(axes[2].images[0].get_array(), evaluation.masked[10].images[0])


def test_squares_that_share_more_than_half_are_no_rivals():
    """Rivals stand at every second row and column."""
    maps = np.ones((4, 20, 20), np.float32)
    maps[:, 10:15, 10:20] = 0  # two squares of five side by side
    corners = np.array([[10, 12], [10, 13], [10, 10], [9, 12]])  # the first shares 3/5 with all that are as low
    assert ranks_lowest(maps, corners, 5).tolist() == [True, False, False, False]


def test_a_square_between_the_strides_is_found():
    maps = np.ones((3, 20, 20), np.float32)
    maps[:, 11:16, 11:16] = 0
    assert ranks_lowest(maps, np.array([[11, 11], [12, 11], [0, 0]]), 5).tolist() == [True, True, False]


def test_a_constant_map_finds_nothing():
    assert not ranks_lowest(np.ones((1, 20, 20), np.float32), np.array([[3, 3]]), 5).any()


def test_mean_within_a_region():
    maps = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    regions = np.array([[[True, True], [False, False]], [[False, True], [True, True]]])
    np.testing.assert_allclose(mean_within(maps, regions), [0.5, 6])
