"""The shape, range and dtype of images in the whole library, and the meaning of a range of pixels."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pfiq_jax.errors import PfiqError

SLACK = (-128.0, 512.0)  # allowed range of arrays: 0..255, with room for what an optimiser or noise adds
FRACTIONS = 4  # fractions up to this value are pixels of 0..1 with an overshoot, and not a photograph of 0..255
STANDARDISED = 8  # fractions around 0 up to this value are multiples of a standard deviation
CENTRED = (-32, 160)  # pixels that reach down to the first value and not above the second one lack their mean


def check_images(images: ArrayLike, size: tuple[int, int] | None) -> jax.Array | np.ndarray:
    """The images as an array, after a check that the recogniser or the detector can use them.

    Pixels must be in 0..255. If their values are known, each image is checked by ``white_of``. The values of an
    argument of ``jax.jit`` are not known: pixels of 0..1 then look like a black image. The values of uint8 pixels are
    not checked, since this type has only one meaning.

    Args:
        images: (height, width, 3) or (batch, height, width, 3), RGB, 0..255, integer or float.
        size: height and width that the recogniser needs; None for any size.

    Raises:
        PfiqError: for another shape or dtype. If the values are known, also for NaN, infinite or wrongly scaled
            values.
    """
    images = check_photos(images) if size is None else _check_faces(images, size)
    if not isinstance(images, jax.core.Tracer) and images.dtype != np.uint8 and 0 not in images.shape:
        with jax.ensure_compile_time_eval():  # an array that a traced function closes over has values too
            _check_values(images, 255 if jnp.issubdtype(images.dtype, jnp.integer) else None)
    return images


def check_photos(photos: ArrayLike) -> jax.Array | np.ndarray:
    """Photographs of any size as an array, after a check of their shape and dtype. Their values are not checked.

    Args:
        photos: (height, width, 3) or (batch, height, width, 3), RGB, integer or float.

    Raises:
        PfiqError: for another shape or dtype.
    """
    if not isinstance(photos, jax.Array):
        photos = np.asarray(photos)
    if photos.ndim not in (3, 4) or photos.shape[-1] != 3 or 0 in photos.shape[-3:]:
        raise PfiqError(
            f"photographs have shape {photos.shape}; give RGB of shape (height, width, 3) or (batch, height, width, 3)."
        )
    _check_dtype("photographs", photos.dtype)
    return photos


def _check_faces(images: ArrayLike, size: tuple[int, int]) -> jax.Array | np.ndarray:
    if not isinstance(images, jax.Array):
        images = np.asarray(images)
    if images.ndim not in (3, 4) or images.shape[-3:] != (*size, 3):
        height, width = size
        raise PfiqError(
            f"images have shape {images.shape}; give aligned RGB faces of shape ({height}, {width}, 3) "
            f"or (batch, {height}, {width}, 3)."
        )
    _check_dtype("images", images.dtype)
    return images


def _check_dtype(what: str, dtype: np.dtype) -> None:
    if not (jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating)):
        raise PfiqError(f"{what} have dtype {dtype}; give uint8 or float pixels in 0..255.")
    if dtype == np.int8:
        raise PfiqError(f"{what} have dtype int8, which cannot hold 0..255; give uint8 or float pixels in 0..255.")


def white_of(
    low: float,
    high: float,
    is_whole: Callable[[], bool],
    *,
    white: int | None,
    limits: tuple[float, float] = (0.0, 255.0),
) -> int:
    """The value of white in an image whose pixels span ``low`` to ``high``, for files and arrays.

    White is 2^n - 1 for integers of n bits in a file. For floats it is 1 if no pixel is above 1, otherwise 255. A range
    that no photograph has by this rule is ambiguous. It is an error, since its image would be scored as a black one:

    - integers that use less than a quarter of a range wider than 8 bits, such as 8 or 10 bits in 16;
    - fractions up to 4: 0..1 with an overshoot;
    - fractions around 0 up to 8, or any pixels from below -32 to at most 160: without their mean, or standardised.

    Whole grey levels are never refused because they are dark, since a black photograph is dark too.

    Args:
        low: smallest pixel.
        high: largest pixel.
        is_whole: returns whether all pixels are whole grey levels of 8 bits: whole numbers among floats, multiples of
            257 among 16-bit integers. Called only if it is needed.
        white: value of white in integers; None for floating point.
        limits: smallest and largest float of an image with white at 255.

    Raises:
        PfiqError: for an ambiguous range. Its text is only the reason, the end of "pixels span 0 to 1.02, ...".
    """
    if not np.isfinite([low, high]).all():
        raise PfiqError("with NaN or infinite pixels among them")
    if white is not None:
        if low < 0 or high > white:
            raise PfiqError(f"outside 0..{white}")
        if white > 255 and 0 < high <= white // 4 and not is_whole():
            raise PfiqError(f"{max(8, int(high).bit_length())}-bit values, too dark where white is {white}")
        return white
    peak = max(high, -low)
    if 0 < peak <= 1:
        if low < 0:
            raise PfiqError("which looks like pixels scaled to -1..1")
        return 1
    if low >= 0 and high <= FRACTIONS and not is_whole():
        raise PfiqError("which looks like pixels scaled to 0..1 with an overshoot")
    has_no_mean = low <= CENTRED[0] and high <= CENTRED[1]
    if low < 0 < high and (has_no_mean or (peak <= STANDARDISED and not is_whole())):
        raise PfiqError("which looks like pixels without their mean, or standardised")
    if low < limits[0] or high > limits[1]:
        raise PfiqError("outside 0..255")
    return 255


def _check_values(images: jax.Array | np.ndarray, white: int | None) -> None:
    batch = images if images.ndim == 4 else images[None]
    is_number = np.asarray((batch == batch).all((1, 2, 3)))  # on CPUs, XLA's minimum and maximum drop NaN
    ends = (np.asarray(each, np.float64) for each in (batch.min((1, 2, 3)), batch.max((1, 2, 3))))
    lows, highs = (np.where(is_number, each, np.nan) for each in ends)
    for index, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):

        def is_whole(index: int = index) -> bool:
            pixels = np.asarray(batch[index], np.float64)
            return bool((pixels == np.rint(pixels)).all())

        name = "images span" if images.ndim == 3 or len(batch) == 1 else f"images[{index}] spans"
        try:
            if white_of(low, high, is_whole, white=white, limits=SLACK) == 1:
                raise PfiqError("which looks like pixels scaled to 1")
        except PfiqError as error:
            raise PfiqError(
                f"{name} {low:g} to {high:g}, {error}; give pixels in 0..255 (the recogniser scales them itself)."
            ) from None
