"""From landmarks to the pixels of an aligned crop: geometry and sampling, the same for NumPy and JAX arrays.

``alignment.align`` calls these functions on JAX arrays, on the device and differentiably. ``alignment.align_on_host``
calls them on NumPy arrays, where compiling once per size of a photograph would take longer than reading it.
"""

from typing import TypeAlias, TypeVar

import jax
import numpy as np
from jaxtyping import Float, Shaped

from pfiq_jax.vectors import TINY

Array = TypeVar("Array", jax.Array, np.ndarray)
Scalar: TypeAlias = jax.Array | np.floating

MOST = 2.0
"""The largest factor by which bilinear sampling alone may shrink a photograph."""

ROUNDING = 1e-3  # relative: a face that is shrunk exactly twofold counts as that, whatever the dtype


def crop_to_photo(landmarks: Float[Array, "5 2"], template: Float[Array, "5 2"]) -> Float[Array, "2 3"]:
    """The matrix from pixels of the crop to pixels of the photograph, as ``cv2.warpAffine`` takes it.

    This is the inverse of the similarity from landmarks to template with the least squared error (Umeyama 1991, without
    reflection). Its value and its gradient are also finite for landmarks that coincide: all pixels then come from
    that point.

    Args:
        landmarks: five (x, y) in pixels of the photograph.
        template: the same five in pixels of the crop.
    """
    xp = landmarks.__array_namespace__()
    middle, target = landmarks.mean(0), template.mean(0)
    (x, y), (u, v) = (landmarks - middle[None]).T, (template - target[None]).T

    # With points as complex numbers, the similarity is z -> a z + b, with a = (dot + 1j * cross) / spread.
    dot, cross = (x * u + y * v).sum(), (x * v - y * u).sum()
    length = dot**2 + cross**2
    stretch = (x**2 + y**2).sum() / xp.where(length <= TINY, TINY, length)
    p, q = stretch * dot, -stretch * cross  # 1 / a
    rows = (p, -q, middle[0] - p * target[0] + q * target[1]), (q, p, middle[1] - q * target[0] - p * target[1])
    return xp.stack([xp.stack(row) for row in rows])


def shrinkage(matrix: Float[Array, "2 3"]) -> Scalar:
    """The number of pixels of the photograph per pixel of the crop, along one axis."""
    xp = matrix.__array_namespace__()
    square = matrix[0, 0] ** 2 + matrix[1, 0] ** 2
    return xp.sqrt(xp.where(square <= TINY, TINY, square))


def sources(
    matrix: Float[Array, "2 3"], size: tuple[int, int]
) -> tuple[Float[Array, "rows columns"], Float[Array, "rows columns"]]:
    """The source of each pixel of a crop: x and y in pixels of the photograph.

    Args:
        matrix: as ``crop_to_photo`` returns it.
        size: height and width of the crop.
    """
    rows, columns = np.indices(size).astype(matrix.dtype)
    x, y = (row[0] * columns + row[1] * rows + row[2] for row in matrix)
    return x, y


def box_factors(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, ...]:
    """Widths of the boxes over which a photograph may have to be averaged: 1, 2, 4, and so on.

    Args:
        shape: height and width of the photograph.
        size: height and width of the crop.
    """
    most = max(side / wanted for side, wanted in zip(shape, size, strict=True))
    return tuple(2**level for level in range(1 + max(0, int(np.ceil(np.log2(max(most, 1)))))))


def is_too_fine(factor: int, shrunk: Scalar) -> jax.Array | np.bool_:
    """Whether boxes of this width are too small for a face that is shrunk by a factor: more than ``MOST`` is left.

    A face is sampled from the smallest boxes of ``box_factors`` that are not too small.
    """
    return shrunk > MOST * (1 + ROUNDING) * factor


def box_means(image: Shaped[Array, "height width channels"], factor: int) -> Float[Array, "rows columns channels"]:
    """Means of square boxes, from the corner at the top left, in float32. The image is black outside.

    Args:
        image: a photograph or part of one.
        factor: width of the boxes in pixels.
    """
    xp = image.__array_namespace__()
    height, width = image.shape[:2]
    if height % factor or width % factor:
        image = xp.pad(image, ((0, -height % factor), (0, -width % factor), (0, 0)))
    # As sums of slices, which XLA and NumPy compute several times faster than reductions over short axes.
    rows = image[::factor].astype(np.float32)
    for start in range(1, factor):
        rows = rows + image[start::factor].astype(np.float32)
    means = rows[:, ::factor]
    for start in range(1, factor):
        means = means + rows[:, start::factor]
    return means / factor**2


def bilinear(
    image: Shaped[Array, "height width channels"],
    x: Float[Array, "rows columns"],
    y: Float[Array, "rows columns"],
    factor: int = 1,
) -> Float[Array, "rows columns channels"]:
    """The image at some places, interpolated between the four nearest pixels. It is black outside.

    Args:
        image: the photograph, or its ``box_means``.
        x: in pixels of the photograph, with 0 at the centre of the first.
        y: likewise.
        factor: width of the boxes.
    """
    xp = image.__array_namespace__()
    height, width = image.shape[:2]
    x, y = ((each + 0.5) / factor - 0.5 for each in (x, y))
    left, top = xp.floor(x), xp.floor(y)
    total = xp.zeros((*x.shape, image.shape[-1]), x.dtype)
    for row, down in ((top, top + 1 - y), (top + 1, y - top)):
        for column, across in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            i, j = (xp.where(inside, each, 0).astype(np.int32) for each in (row, column))
            pixels = xp.where(inside[..., None], image[i, j], 0).astype(x.dtype)
            total = total + (down * across)[..., None] * pixels
    return total
