"""Square covers that disturb a part of a face. Most kinds look like photographs; few are flat.

A map that only detects flat areas finds a black square, but not a piece of another photograph.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int, Shaped

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.evaluation.maps.regions import Corners, Images, Sides

COVER_SIDES = (24, 32)
"""Sides of the covers, in pixels of a face of 112x112."""

BORDER = 12 / 112  # of the width; so near to the left or the right edge, an aligned crop shows hardly any face
BLUR_SIGMA = 5.0  # pixels
NOISE_SIGMA = 50.0  # grey levels

Image = Shaped[np.ndarray, "height width 3"]
Piece = Float[np.ndarray, "side side 3"]
Square = tuple[slice, slice]
Draw = Callable[[np.random.Generator, Image, Image, Square], Piece]
"""Returns the pixels of a cover from the face, the face of another person, and the square to cover."""


def cover(seed: int, kind: str, images: Images, corners: Corners, sides: Sides) -> Images:
    """Covers a square of each face.

    The content of a cover depends on the seed, the kind and the index of the face. Two calls that differ only in the
    corners draw the same texture, noise or other person at another place.

    Args:
        seed: of all random choices.
        kind: one of ``COVERS``.
        images: uint8 RGB, one face of each person, two or more.
        corners: row and column of the upper left pixel of each square.
        sides: of each square, in pixels; all squares lie within the images.

    Returns:
        The covered faces, uint8.

    Raises:
        PfiqError: for an unknown kind, and for fewer than two faces.
    """
    check_choice("kind", kind, tuple(COVERS))
    if len(images) < 2:
        raise PfiqError("there is only one face, but a cover may show another person; give two or more.")
    covered = images.copy()
    for index, ((row, column), side) in enumerate(zip(corners.tolist(), sides.tolist(), strict=True)):
        generator = np.random.default_rng((seed, list(COVERS).index(kind), index))
        other = images[(index + generator.integers(1, len(images))) % len(images)]
        square = slice(row, row + side), slice(column, column + side)
        piece = COVERS[kind](generator, images[index], other, square)
        covered[index][square] = np.clip(np.rint(piece), 0, 255)
    return covered


def cover_sides(count: int, size: tuple[int, int]) -> Int[np.ndarray, " faces"]:
    """The sides of one cover per face: each of ``COVER_SIDES`` in turn, scaled to images of a given size."""
    scaled = [max(1, round(side * min(size) / 112)) for side in COVER_SIDES]
    return np.resize(np.array(scaled), count)


def _texture(generator: np.random.Generator, image: Image, other: Image, square: Square) -> Piece:
    """A piece of the left or right border of another face's photograph, enlarged."""
    side = square[0].stop - square[0].start
    small = max(1, min(side, round(BORDER * other.shape[1])))
    left = generator.choice((0, other.shape[1] - small))
    top = int(generator.uniform() * (other.shape[0] - small + 1))
    return _enlarged(other[top : top + small, left : left + small], side)


def _scramble(generator: np.random.Generator, image: Image, other: Image, square: Square) -> Piece:
    """A piece of another face, rotated by 90, 180 or 270 degrees."""
    side = square[0].stop - square[0].start
    turns = int(generator.integers(1, 4))
    top, left = (
        int(share * (length - side + 1)) for share, length in zip(generator.random(2), other.shape, strict=False)
    )
    return np.rot90(other[top : top + side, left : left + side], turns).astype(np.float64)


def _blur(generator: np.random.Generator, image: Image, other: Image, square: Square) -> Piece:
    """The face itself, blurred by a Gaussian of 5 pixels."""
    from scipy.ndimage import gaussian_filter  # takes long to import

    return gaussian_filter(image.astype(np.float64), (BLUR_SIGMA, BLUR_SIGMA, 0))[square]


def _noise(generator: np.random.Generator, image: Image, other: Image, square: Square) -> Piece:
    """The face itself with noise of 50 grey levels."""
    inside = image[square].astype(np.float64)
    return inside + generator.normal(0, NOISE_SIGMA, inside.shape)


def _glare(generator: np.random.Generator, image: Image, other: Image, square: Square) -> Piece:
    """The face itself, bright and with little contrast."""
    return 0.3 * image[square].astype(np.float64) + 190


def _black(generator: np.random.Generator, image: Image, other: Image, square: Square) -> Piece:
    return np.zeros_like(image[square], np.float64)


def _foreign(generator: np.random.Generator, image: Image, other: Image, square: Square) -> Piece:
    """The same place of another person's face."""
    return other[square].astype(np.float64)


COVERS: Mapping[str, Draw] = MappingProxyType(
    {
        "texture": _texture,
        "scramble": _scramble,
        "blur": _blur,
        "noise": _noise,
        "glare": _glare,
        "black": _black,
        "foreign": _foreign,
    }
)
"""Every kind of cover by its name."""

MAIN_COVERS = ("texture", "scramble", "blur", "noise", "glare")
"""The kinds of cover that "ppt" and "localisation" are averaged over.

Black is left out since it is too easy to find, and foreign since it has its own column.
"""


def _enlarged(piece: Image, side: int) -> Piece:
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(piece).resize((side, side), Pillow.Resampling.BICUBIC), np.float64)
