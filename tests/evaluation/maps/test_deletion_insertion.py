"""Deletion and insertion against what can be worked out by hand."""

import inspect

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pfiq_jax import PfiqError, Preprocessing, Recognizer
from pfiq_jax.evaluation.controls import random_maps
from pfiq_jax.evaluation.maps.deletion_insertion import (
    AREA_FRACTIONS,
    FRACTIONS,
    deletion_curve,
    filled,
    insertion_curve,
    pixel_ranks,
)
from pfiq_jax.maps.smoothing import FILL_SIGMA

SIZE = 20  # 400 pixels: 5% are 20 of them


@pytest.fixture(scope="module")
def pixels() -> Recognizer:
    """A recogniser whose embedding is the image itself."""
    return Recognizer.from_functions(
        lambda scale, images: images * scale,
        lambda scale, features: features.reshape(len(features), -1),
        np.float32(1),
        preprocessing=Preprocessing(size=(SIZE, SIZE)),
    )


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (3, SIZE, SIZE, 3), np.uint8)


def brightness(images: np.ndarray) -> np.ndarray:
    return np.sum(np.float32(images) ** 2, -1)


def test_deletion_to_black_of_an_even_image_is_the_root_of_what_is_left(pixels):
    even = np.full((1, SIZE, SIZE, 3), 100, np.uint8)
    curve = deletion_curve(pixels, even, random_maps(0, (1, SIZE, SIZE)), fill="black")
    np.testing.assert_array_equal(curve.fractions, FRACTIONS)
    np.testing.assert_allclose(curve.similarity[:, 0], np.sqrt(1 - curve.fractions), atol=1e-6)
    wanted = np.mean([np.sqrt(1 - fraction) for fraction in AREA_FRACTIONS])
    np.testing.assert_allclose(curve.area, [wanted], atol=1e-6)


def test_deletion_takes_the_highest_first(pixels, images):
    """The cosine of an image and a part of it is the root of the part's share of the squares."""
    curve = deletion_curve(pixels, images, brightness(images), fill="black", fractions=(0.0, 0.05, 0.5, 1.0))
    for similarity, image in zip(curve.similarity.T, images, strict=True):
        squares = np.sort(np.sum(np.float64(image) ** 2, -1).ravel())
        wanted = [np.sqrt(squares[:keep].sum() / squares.sum()) for keep in (400, 380, 200, 0)]
        np.testing.assert_allclose(similarity, wanted, atol=1e-5)


def test_insertion_starts_from_the_blurred_image_and_ends_with_the_image(pixels, images):
    curve = insertion_curve(pixels, images, random_maps(0, images.shape[:3]))
    blurred = np.stack([gaussian_filter(np.float64(image), (FILL_SIGMA, FILL_SIGMA, 0)) for image in images])
    cosine = np.sum(images * blurred, (1, 2, 3)) / (
        np.sqrt(np.sum(np.float64(images) ** 2, (1, 2, 3)) * np.sum(blurred**2, (1, 2, 3)))
    )
    np.testing.assert_allclose(curve.similarity[0], cosine, atol=1e-5)
    np.testing.assert_allclose(curve.similarity[-1], 1, atol=1e-5)
    np.testing.assert_allclose(filled(images, "blur"), blurred, rtol=1e-4)


def test_a_perfect_map_beats_random_beats_reversed(pixels):
    generator = np.random.default_rng(0)
    images = np.full((4, SIZE, SIZE, 3), 128, np.uint8)
    images[:, ::4, ::4] = generator.integers(0, 256, (4, SIZE // 4, SIZE // 4, 3))  # what the blur takes away
    away = np.abs(images - filled(images, "blur")).sum(-1)
    orders = {"perfect": away, "random": random_maps(0, images.shape[:3]), "reversed": -away}
    areas = {
        name: [
            float(np.mean(curve.area))
            for curve in (insertion_curve(pixels, images, maps), deletion_curve(pixels, images, maps))
        ]
        for name, maps in orders.items()
    }
    (best, least), (middle, between), (worst, most) = areas.values()
    assert best > middle > worst
    assert least < between < most


def test_insertion_is_blurred_deletion_in_the_other_order(pixels, images):
    maps = random_maps(1, images.shape[:3])
    insertion, deletion = insertion_curve(pixels, images, maps), deletion_curve(pixels, images, -maps)
    np.testing.assert_allclose(insertion.similarity, deletion.similarity[::-1], atol=1e-6)


def test_mean_fill_is_the_image_s_own(pixels, images):
    np.testing.assert_allclose(filled(images, "mean")[:, 0, 0], images.mean((1, 2)), rtol=1e-6)
    curve = deletion_curve(pixels, images, brightness(images), fill="mean", fractions=(1.0,))
    mean = images.mean((1, 2))
    cosine = np.sum(images * mean[:, None, None], (1, 2, 3)) / np.sqrt(
        np.sum(np.float64(images) ** 2, (1, 2, 3)) * 400 * np.sum(mean**2, 1)
    )
    np.testing.assert_allclose(curve.similarity[0], cosine, atol=1e-5)


def test_equal_pixels_come_in_reading_order():
    maps = np.array([[[1, 3], [3, 0]], [[5, 5], [5, 5]]], np.float32)
    np.testing.assert_array_equal(pixel_ranks(maps), [[[2, 0], [1, 3]], [[0, 1], [2, 3]]])


@pytest.mark.parametrize("count", [1, 9])
def test_batches_change_nothing_and_compile_once(images, monkeypatch, count):
    traced = []

    def trunk(scale, batch):
        traced.append(batch.shape)
        return batch * scale

    own = Recognizer.from_functions(
        trunk,
        lambda _, features: features.reshape(len(features), -1),
        np.float32(1),
        preprocessing=Preprocessing(size=(SIZE, SIZE)),
    )
    many = np.concatenate([images] * 3)[:count]
    maps = random_maps(0, many.shape[:3])
    monkeypatch.setattr("pfiq_jax.faces.batches.CPU_BATCH_SIZE", 4)
    told = []
    curve = deletion_curve(own, many, maps, fill="black", advance=told.append)
    assert len(traced) == 1  # for the clean and the disturbed ones, whatever the fraction
    assert traced[0][0] <= 4
    assert sum(told) == len(FRACTIONS) * count
    alone = deletion_curve(own, many[-1:], maps[-1:], fill="black")
    np.testing.assert_allclose(curve.similarity[:, -1:], alone.similarity, atol=1e-6)


def test_bad_input(pixels, images):
    maps = random_maps(0, images.shape[:3])
    with pytest.raises(PfiqError, match=r"maps have shape \(0, 20, 20\) .*; give one map per image"):
        insertion_curve(pixels, images[:0], maps[:0])
    with pytest.raises(PfiqError, match="NaN"):
        insertion_curve(pixels, images, maps * np.float32(np.nan))
    with pytest.raises(PfiqError, match="fractions are"):
        insertion_curve(pixels, images, maps, fractions=(0.5, 1.5))
    with pytest.raises(PfiqError, match="fill is 'white'; choose one of 'blur', 'black', 'mean'"):
        inspect.unwrap(filled)(images, "white")
