"""Arrays that are not images."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from pfiq_jax import PfiqError
from pfiq_jax.images import check_images

SIZE = (8, 6)


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 4), (6, 8, 3), (1, 1, 8, 6, 3), (3, 8, 6), ()])
def test_wrong_shapes_name_the_right_one(shape):
    with pytest.raises(PfiqError, match=r"\(8, 6, 3\) or \(batch, 8, 6, 3\)"):
        check_images(np.zeros(shape, np.uint8), SIZE)


@pytest.mark.parametrize("dtype", [bool, complex, "U1", object])
def test_wrong_dtypes(dtype):
    with pytest.raises(PfiqError, match="give uint8 or float pixels"):
        check_images(np.zeros((8, 6, 3), dtype), SIZE)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.linspace(0, 1, 144), "scaled to 1"),
        (np.linspace(-1, 1, 144), "scaled to -1..1"),
        (np.linspace(0, 1.02, 144), "scaled to 0..1 with an overshoot"),  # a resize's
        (np.linspace(-2.1, 2.6, 144), "without their mean, or standardised"),  # of ImageNet
        (np.linspace(-1.7, 6, 144), "without their mean, or standardised"),  # of each image by itself
        (np.linspace(-127.5, 127.5, 144), "without their mean, or standardised"),
        (np.linspace(0, 65535, 144), "pixels in 0..255"),
        (np.linspace(-1000, 255, 144), "pixels in 0..255"),
        (np.full(144, np.nan), "NaN"),
        (np.full(144, np.inf), "infinite"),
        (np.where(np.arange(144) == 70, np.nan, 100), "NaN"),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_wrong_ranges(pixels, sentence, kind):
    with pytest.raises(PfiqError, match=sentence):
        check_images(kind(pixels.reshape(8, 6, 3).astype(np.float32)), SIZE)


def test_black_white_and_slightly_disturbed_images_pass():
    for value in (0, 255, -3.5, 260):
        assert check_images(np.full((8, 6, 3), value, np.float32), SIZE).shape == (8, 6, 3)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
@pytest.mark.parametrize("beyond", [-1, 256])
def test_integers_outside_8_bits(dtype, beyond):
    pixels = np.zeros((8, 6, 3), dtype)
    pixels[0, 0, 0] = beyond
    with pytest.raises(PfiqError, match=r"outside 0\.\.255; give pixels in 0\.\.255"):
        check_images(pixels, SIZE)


@pytest.mark.parametrize("traced", [False, True])
def test_wrapped_int8_images_are_refused_by_their_dtype(traced):
    """Their bright pixels would be negative."""
    check = functools.partial(check_images, size=SIZE)
    with pytest.raises(PfiqError, match=r"int8, which cannot hold 0\.\.255; give uint8"):
        (jax.jit(check) if traced else check)(np.full((8, 6, 3), 200, np.uint8).astype(np.int8))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("brightest", [0, 1, 2])
def test_integers_are_grey_levels_however_dark(dtype, brightest):
    """In every batch, and eagerly as under jit."""
    check_images(np.full((8, 6, 3), brightest, dtype), SIZE)
    check_images(np.stack([np.full((8, 6, 3), value, dtype) for value in (brightest, 255)]), SIZE)


def test_each_image_of_a_batch_is_checked():
    """A bright image does not hide that another is scaled to 1."""
    bright = np.full((8, 6, 3), 200, np.float32)
    with pytest.raises(PfiqError, match=r"images\[1\] spans 0\.5 to 0\.5, which looks like pixels scaled to 1; give"):
        check_images(np.stack([bright, np.full_like(bright, 0.5), bright]), SIZE)


def test_values_are_not_looked_at_under_jit():
    jax.jit(lambda x: check_images(x, SIZE))(np.ones((2, 8, 6, 3), np.float32))


@settings(max_examples=100, deadline=None)
@given(
    st_numpy.arrays(
        st.sampled_from([np.uint8, np.int16, np.int8, np.float16, np.float32, np.float64, np.bool_]),
        st_numpy.array_shapes(min_dims=0, max_dims=5, max_side=8) | st.just((8, 6, 3)),
    )
)
def test_any_array_gives_a_batch_or_one_sentence(array):
    try:
        batch = check_images(array, SIZE)
    except PfiqError as error:
        assert str(error).endswith(".")  # noqa: PT017 - either of two outcomes
    else:
        assert batch.shape[-3:] == (8, 6, 3)
        assert batch.ndim in (3, 4)
        assert bool(jnp.isfinite(jnp.asarray(batch, jnp.float32)).all())
