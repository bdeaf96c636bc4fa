"""From five landmarks to an aligned crop, the input that face recognition networks are trained on."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Shaped, UInt8

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.landmarks import check_landmarks
from pfiq_jax.faces.resampling import (
    bilinear,
    box_factors,
    box_means,
    crop_to_photo,
    is_too_fine,
    shrinkage,
    sources,
)
from pfiq_jax.images import check_photos
from pfiq_jax.recognizers.preprocessing import Points, template_for


def align(
    photos: ArrayLike,
    landmarks: ArrayLike | Sequence[Sequence[float]],
    *,
    size: tuple[int, int] = (112, 112),
    template: ArrayLike | Points | None = None,
) -> Float[Array, "*faces rows columns 3"]:
    """Faces, rotated, scaled and shifted so that their landmarks lie on a template. Differentiable, finite gradients.

    This applies the least-squares similarity (Umeyama 1991, without reflection) with bilinear interpolation. Pixels
    outside a photograph are black. A face that is shrunk more than twofold is sampled from a photograph that was
    averaged over blocks of 2x2, 4x4, 8x8, ... pixels first, since its crop would show aliasing otherwise. The blocks
    are the smallest that leave a shrinkage of at most twofold.

    The networks were trained on the output of ``cv2.warpAffine``. It gives the same crops of faces that are shrunk at
    most twofold, except that it rounds coordinates to 1/32 pixel. It does not average larger faces.

    The crops are continuous in the landmarks, except at shrinkages of 2, 4, 8, and so on, where the size of the blocks
    changes. The function is compiled once per shape. Photographs of several sizes fit in one batch if they are padded
    with black on the right and at the bottom. This does not change their crops.

    Args:
        photos: RGB, (height, width, 3) or (batch, height, width, 3), integer or float, on any scale.
        landmarks: (5, 2) or (batch, 5, 2); for several faces per photograph (faces, 5, 2) or (batch, faces, 5, 2). Five
            (x, y) per face in pixels of the photograph, with (0, 0) the centre of the first pixel: the person's right
            eye (left in the image), left eye, tip of the nose, right and left corner of the mouth.
        size: height and width of the crops.
        template: five (x, y) in pixels of the crop, in the same order. By default ArcFace's, scaled to the crop.

    Returns:
        The crops, RGB, on the scale of the photographs, in float32 and not rounded. The dimensions of the landmarks
        before (5, 2) come first. A crop is NaN where its landmarks are.

    Raises:
        PfiqError: for photographs or landmarks of another shape, and photographs of another dtype. Where the values of
            the landmarks can be seen, also for points that are not finite, that lie within one pixel, whose mean lies
            outside the photograph, and that are not placed like those of a face. The values of an argument of
            ``jax.jit`` or ``jax.grad`` cannot be seen: these checks are then left out.

    Example:
        >>> photo = np.pad(face, ((40, 40), (40, 40), (0, 0)))
        >>> eyes, nose, mouth = [(78.3, 91.7), (113.5, 91.5)], [(96.0, 111.7)], [(81.5, 132.4), (110.7, 132.2)]
        >>> crop = pfiq_jax.align(photo, [*eyes, *nose, *mouth])
        >>> crop.shape, bool(abs(crop - face).mean() < 1)
        ((112, 112, 3), True)
    """
    photos = check_photos(photos)
    if not isinstance(landmarks, jax.Array):
        landmarks = np.asarray(landmarks, np.float64)
    batch = photos.shape[:-3]
    if landmarks.shape[-2:] != (5, 2) or landmarks.shape[: len(batch)] != batch or landmarks.ndim > len(batch) + 3:
        front = "".join(f"{length}, " for length in batch)
        raise PfiqError(
            f"landmarks have shape {landmarks.shape}, photographs {photos.shape}; give landmarks of shape "
            f"({front}5, 2) or ({front}faces, 5, 2)."
        )
    if not isinstance(landmarks, jax.core.Tracer):
        _check_each(np.asarray(landmarks, np.float64), photos.shape[-3:-1])
    places = jnp.asarray(template_for(size) if template is None else template, jnp.float32)
    number = landmarks.shape[len(batch)] if landmarks.ndim > len(batch) + 2 else 1
    faces = jnp.asarray(landmarks, jnp.float32).reshape(*batch, number, 5, 2)
    return _align(photos, faces, places, size).reshape(*landmarks.shape[:-2], *size, 3)


def _check_each(landmarks: Float[np.ndarray, "*faces 5 2"], shape: tuple[int, ...]) -> None:
    for index in np.ndindex(landmarks.shape[:-2]):
        try:
            check_landmarks(landmarks[index], shape)
        except PfiqError as error:
            which = f"landmarks[{', '.join(map(str, index))}]: " if index else ""
            raise PfiqError(f"{which}{error}") from None


@functools.partial(jax.jit, static_argnums=3)
def _align(
    photos: Shaped[Array, "*batch height width 3"],
    landmarks: Float[Array, "*batch faces 5 2"],
    template: Float[Array, "5 2"],
    size: tuple[int, int],
) -> Float[Array, "*batch faces rows columns 3"]:
    def crops(
        photo: Shaped[Array, "height width 3"], landmarks: Float[Array, "faces 5 2"]
    ) -> Float[Array, "faces rows columns 3"]:
        levels = {1: photo}
        for factor in box_factors(photo.shape[:2], size)[1:]:
            levels[factor] = box_means(levels[factor // 2], 2)
        return jax.vmap(lambda points: _crop(levels, crop_to_photo(points, template), size))(landmarks)

    return crops(photos, landmarks) if photos.ndim == 3 else jax.vmap(crops)(photos, landmarks)


def _crop(
    levels: dict[int, Shaped[Array, "_ _ 3"]], matrix: Float[Array, "2 3"], size: tuple[int, int]
) -> Float[Array, "rows columns 3"]:
    x, y = sources(matrix, size)
    crop = bilinear(levels[1], x, y)
    for factor, means in list(levels.items())[1:]:
        crop = jnp.where(is_too_fine(factor // 2, shrinkage(matrix)), bilinear(means, x, y, factor), crop)
    return crop


def align_on_host(
    photo: UInt8[np.ndarray, "height width 3"],
    matrix: Float[np.ndarray, "2 3"],
    size: tuple[int, int],
) -> UInt8[np.ndarray, "rows columns 3"]:
    """The crop that ``align`` returns for one face, rounded, without compiling: for many photographs of many sizes.

    Only the part of the photograph that the crop shows is averaged, so that little memory is needed.

    Args:
        photo: RGB.
        matrix: from the crop to the photograph, as ``matrix_of`` returns it.
        size: height and width of the crop.
    """
    x, y = sources(matrix, size)
    factors = box_factors(photo.shape[:2], size)
    factor = next((each for each in factors if not is_too_fine(each, shrinkage(matrix))), factors[-1])
    top, bottom = _boxes_around(y, factor, photo.shape[0])
    left, right = _boxes_around(x, factor, photo.shape[1])
    means = box_means(photo[top:bottom, left:right], factor)
    return np.rint(bilinear(means, x - left, y - top, factor)).astype(np.uint8)


def _boxes_around(places: Float[np.ndarray, "rows columns"], factor: int, side: int) -> tuple[int, int]:
    """Start and end (exclusive), along one side of a photograph, of the blocks that a crop is sampled from."""
    first, last = np.clip([places.min() // factor - 1, places.max() // factor + 1], 0, (side - 1) // factor)
    return int(first) * factor, (int(last) + 1) * factor


def matrix_of(
    landmarks: Sequence[Sequence[float]] | np.ndarray,
    shape: tuple[int, ...],
    size: tuple[int, int],
    template: Points | None = None,
) -> Float[np.ndarray, "2 3"]:
    """The matrix from pixels of a crop to pixels of a photograph, on the host.

    Args:
        landmarks: five points, as for ``align``.
        shape: height and width of the photograph.
        size: as for ``align``.
        template: as for ``align``.

    Raises:
        PfiqError: as ``align``.
    """
    return crop_to_photo(
        check_landmarks(landmarks, shape), np.asarray(template_for(size) if template is None else template)
    )
