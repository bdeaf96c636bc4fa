"""A recogniser and a map method that are so simple that their results can be computed by hand."""

from collections.abc import Callable

import jax.numpy as jnp
import pytest

from pfiq_jax import PixelQuality, Preprocessing, Recognizer


@pytest.fixture(scope="module")
def small() -> Recognizer:
    return Recognizer.from_functions(
        lambda _, images: images,
        lambda _, features: features.reshape(len(features), -1),
        (),
        preprocessing=Preprocessing(size=(40, 40)),
    )


@pytest.fixture(scope="module")
def brightness() -> Callable:
    """A method whose map and score are how bright pixels are."""

    def compute(recognizer, images) -> PixelQuality:
        pixels = jnp.asarray(images, jnp.float32) / 255
        gray = jnp.mean(pixels, -1)
        return PixelQuality(jnp.mean(gray, (1, 2)), pixels, gray)

    return compute
