"""Masks and occlusions: where they lie, whether a map finds them, what is put in their place."""

import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax import PfiqError, PixelQuality, Preprocessing, Recognizer
from pfiq_jax.evaluation.maps.disturbances import (
    OCCLUSIONS,
    inpaint,
    mask_squares,
    masks_experiment,
    mean_within,
    occlude,
    ranks_lowest,
    smooth_fill,
)
from pfiq_jax.evaluation.maps.explained import explain_faces

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(60, 256, (7, 40, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def small() -> Recognizer:
    return Recognizer.from_functions(
        lambda _, images: images, lambda _, features: features, (), preprocessing=Preprocessing(size=(40, 40))
    )


def brightness(recognizer, images) -> PixelQuality:
    """A method whose map and score are how bright pixels are."""
    pixels = jnp.asarray(images, jnp.float32) / 255
    map = jnp.mean(pixels, -1)
    return PixelQuality(jnp.mean(map, (1, 2)), pixels, map)


@pytest.mark.parametrize("size", [1, 10, 39])
def test_squares_are_black_and_wholly_inside(size):
    masked = mask_squares(0, IMAGES, size)
    for image, clean, region, (row, column) in zip(masked.images, IMAGES, masked.regions, masked.corners, strict=True):
        assert region.sum() == size**2 and region[row : row + size, column : column + size].all()
        assert not image[region].any()
        np.testing.assert_array_equal(image[~region], clean[~region])


def test_squares_lie_anywhere_and_repeat():
    many = np.zeros((2000, 12, 14, 3), np.uint8)
    corners = mask_squares(0, many, 10).corners
    assert {tuple(corner) for corner in corners} == {(row, column) for row in range(3) for column in range(5)}
    np.testing.assert_array_equal(corners, mask_squares(0, many, 10).corners)
    assert (corners != mask_squares(1, many, 10).corners).any()


@pytest.mark.parametrize("size", [0, 40, 50])
def test_squares_that_do_not_fit(size):
    with pytest.raises(PfiqError, match=f"a square of {size} pixels does not fit into 40x40; give a smaller one"):
        mask_squares(0, IMAGES, size)


@pytest.mark.parametrize("size", [3, 10])
def test_a_map_that_is_low_in_the_mask_finds_it(small, size):
    clean = explain_faces(brightness, small, IMAGES)
    result = masks_experiment(brightness, small, IMAGES, clean, size=size)
    assert result.found.all()
    np.testing.assert_array_equal(result.inside_after, 0)
    np.testing.assert_allclose(result.outside_after, result.outside_before, rtol=1e-6)
    assert (result.explained.quality < clean.quality).all()
    of_first = result.masked.regions[0]
    np.testing.assert_allclose(result.inside_before[0], IMAGES[0][of_first].mean() / 255, rtol=1e-5)

    def opposite(recognizer, images) -> PixelQuality:
        result = brightness(recognizer, images)
        return result._replace(map=1 - result.map)

    assert not masks_experiment(opposite, small, IMAGES, clean, size=size).found.any()


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


def test_occlusions_cover_what_they_should():
    faces = np.full((6, 112, 112, 3), 128, np.uint8)
    occluded = occlude(0, faces)
    assert occluded.kinds == [*OCCLUSIONS, *OCCLUSIONS]
    for image, region, kind in zip(occluded.images, occluded.regions, occluded.kinds, strict=True):
        assert (image[~region] == 128).all() and len(np.unique(image[region], axis=0)) == 1
        eyes, mouth = region[51, [38, 73]].all(), region[92, [42, 70]].all()
        assert (eyes, mouth) == {"sunglasses": (True, False), "scarf": (False, True), "hand": (False, False)}[kind]
        assert 0.05 < region.mean() < 0.35
    np.testing.assert_array_equal(occlude(0, faces).images, occluded.images)
    assert (occlude(1, faces).images != occluded.images).any()


def test_occlusions_grow_with_the_image():
    small, large = (occlude(0, np.zeros((3, size, size, 3), np.uint8)).regions for size in (112, 224))
    np.testing.assert_allclose(large.mean((1, 2)), small.mean((1, 2)), rtol=0.03)


def test_a_smooth_fill_is_exact_on_a_plane():
    rows, columns = np.mgrid[:20, :30].astype(np.float64)
    plane = np.stack([rows, 2 * columns - rows], -1)
    region = np.zeros((20, 30), bool)
    region[5:15, 10:20] = region[3, 3] = True
    np.testing.assert_allclose(smooth_fill(np.where(region[..., None], -99, plane), region), plane, atol=1e-9)
    np.testing.assert_array_equal(smooth_fill(plane, np.zeros_like(region)), plane)


def test_a_smooth_fill_at_the_border_takes_what_there_is():
    image = np.zeros((4, 6, 1))
    image[:, 3:] = 8
    region = np.zeros((4, 6), bool)
    region[:, 4:] = True
    np.testing.assert_allclose(smooth_fill(np.where(region[..., None], 99, image), region), image)


def faces_of_few_kinds(count: int) -> np.ndarray:
    """Faces that are mixtures of three, so that a part of one tells the rest."""
    generator = np.random.default_rng(1)
    shares = generator.dirichlet(np.ones(3), count)
    return np.rint(np.einsum("fk,khwc->fhwc", shares, IMAGES[:3])).astype(np.uint8)


@pytest.mark.parametrize("examples", [100, 8])
def test_inpainting_restores_what_other_faces_tell(monkeypatch, examples):
    monkeypatch.setattr("pfiq_jax.evaluation.maps.disturbances.EXAMPLES", examples)
    faces = faces_of_few_kinds(12)
    regions = np.zeros(faces.shape[:3], bool)
    regions[:, 10:25, 20:] = True
    restored = inpaint(np.where(regions[..., None], np.uint8(0), faces), regions, faces)
    np.testing.assert_array_equal(restored[~regions], faces[~regions])
    error, spread = (np.abs(x - faces.astype(float))[regions].mean() for x in (restored, faces.mean(0)))
    assert error < 0.3 * spread
    assert restored.dtype == np.uint8


def test_inpainting_does_not_look_at_the_clean_face():
    faces = faces_of_few_kinds(6)
    regions = np.zeros(faces.shape[:3], bool)
    regions[:, 10:20, 10:20] = True
    other = faces.copy()
    other[0] = 0
    np.testing.assert_array_equal(inpaint(faces, regions, faces)[0], inpaint(faces, regions, other)[0])


def test_inpainting_from_faces_all_alike():
    alike = np.repeat(IMAGES[:1], 3, 0)
    regions = np.zeros(alike.shape[:3], bool)
    regions[:, 5:10, 5:10] = True
    np.testing.assert_array_equal(inpaint(np.where(regions[..., None], np.uint8(0), alike), regions, alike), alike)


def test_nothing_to_inpaint_from():
    everything = np.ones(IMAGES.shape[:3], bool)
    with pytest.raises(PfiqError, match="is all of its image"):
        inpaint(IMAGES, everything, IMAGES)
    with pytest.raises(PfiqError, match="no other to restore it from; give at least two"):
        inpaint(IMAGES[:1], ~everything[:1], IMAGES[:1])


def test_mean_within_a_region():
    maps = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    regions = np.array([[[True, True], [False, False]], [[False, True], [True, True]]])
    np.testing.assert_allclose(mean_within(maps, regions), [0.5, 6])
