"""Squares on faces of high quality: whether map and score fall if a part of the face is covered.

Source: Terhörst et al., "Pixel-Level Face Image Quality Assessment for Explainable Face Recognition", 2021, section on
random masks. Their squares are black. A map that detects flat areas finds black squares, so by default the squares here
show the texture of another photograph.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.bootstrap import mean_estimates
from pfiq_jax.evaluation.estimate import Estimate
from pfiq_jax.evaluation.maps.covers import cover
from pfiq_jax.evaluation.maps.explained import Explained, MapFunction, explain_faces
from pfiq_jax.evaluation.maps.localisation import suspicion
from pfiq_jax.evaluation.maps.regions import Corners, Images, Maps, Regions, mean_within, square_regions
from pfiq_jax.evaluation.measure import Measure
from pfiq_jax.recognizers.recognizer import Recognizer

MASK_SIZES = (10, 20, 30, 40, 50)
"""Sides of the squares, in pixels."""

MASK_MEASURES = (
    Measure(
        "found",
        "higher",
        0,
        "share of faces on which no other square of the size has a higher mean deficit (a lower mean map, if there is "
        "no deficit), among squares at every half side that do not share more than half of the drawn one's area",
    ),
    Measure("quality_before", "", 0, "quality of the face without the square, 0 to 1"),
    Measure("quality_after", "lower", 0, "quality of the face with the square"),
    Measure("inside_before", "", 0, "mean map within the square's place, without the square"),
    Measure("inside_after", "lower", 0, "mean map within the square"),
    Measure("outside_before", "", 0, "mean map of all other pixels, without the square"),
    Measure("outside_after", "", 0, "mean map of all other pixels, with the square"),
)


class Masked(NamedTuple):
    """Faces with one square each.

    Attributes:
        images: RGB, 0..255.
        regions: the pixels of the squares.
        corners: row and column of the upper left pixel of each square.
    """

    images: Images
    regions: Regions
    corners: Corners


class MasksEvaluation(NamedTuple):
    """The result of ``evaluate_masks``.

    Attributes:
        images: the faces without squares, RGB, 0..255: the better half of the given faces, best first.
        clean: their qualities and maps.
        masked: the faces with squares, by size in pixels.
        explained: qualities and maps of the faces with squares, by size.
        estimates: by size as text, then by name of ``MASK_MEASURES``.
    """

    images: Images
    clean: Explained
    masked: dict[int, Masked]
    explained: dict[int, Explained]
    estimates: dict[str, dict[str, Estimate]]


def evaluate_masks(
    recognizer: Recognizer,
    images: Images,
    compute: MapFunction,
    *,
    kind: str = "texture",
    sizes: Sequence[int] = MASK_SIZES,
    seed: int = 0,
    advance: Callable[[int], object] = lambda sizes: None,
) -> MasksEvaluation:
    """Draws squares on the better half of some faces, and measures how quality and map change.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned, one face of each person; three or more.
        compute: a map method; higher maps are better.
        kind: what the squares show, one of ``COVERS``; PLQ's are "black".
        sizes: sides of the squares, in pixels; there is one square of each size per face.
        seed: of the places of the squares and of the bootstrap over the faces.
        advance: called with 1 after each size.

    Raises:
        PfiqError: for a square that does not fit into the images, an unknown kind, and fewer than three faces.

    References:
        Terhörst et al., 2021, "random masks".
    """
    clean = explain_faces(compute, recognizer, images)
    best = np.argsort(-clean.quality, kind="stable")[: (len(images) + 1) // 2]
    images, clean = images[best], clean.of(best)
    masked, explained, estimates = {}, {}, {}
    for size in sizes:
        masked[size] = mask_squares(seed + size, kind, images, size)
        explained[size] = explain_faces(compute, recognizer, masked[size].images)
        values = _values(clean, masked[size], explained[size], size)
        estimates[str(size)] = mean_estimates(values, seed=seed)
        advance(1)
    return MasksEvaluation(images, clean, masked, explained, estimates)


def _values(clean: Explained, masked: Masked, explained: Explained, size: int) -> dict[str, np.ndarray]:
    """One number per face of each of ``MASK_MEASURES``."""
    return {
        "found": ranks_lowest(-suspicion(explained), masked.corners, size),
        "quality_before": clean.quality,
        "quality_after": explained.quality,
        "inside_before": mean_within(clean.map, masked.regions),
        "inside_after": mean_within(explained.map, masked.regions),
        "outside_before": mean_within(clean.map, ~masked.regions),
        "outside_after": mean_within(explained.map, ~masked.regions),
    }


def mask_squares(seed: int, kind: str, images: Images, size: int) -> Masked:
    """Draws a square on each image, placed uniformly at random and fully inside the image.

    Args:
        seed: of the places and of the contents of the squares.
        kind: one of ``COVERS``.
        images: uint8 RGB, one face of each person, two or more.
        size: side of the squares, in pixels.

    Raises:
        PfiqError: for a square that is smaller than a pixel or as large as the images, an unknown kind, and fewer than
            two faces.
    """
    height, width = images.shape[1:3]
    if not 1 <= size < min(height, width):
        raise PfiqError(
            f"a square of {size} pixels does not fit into {width}x{height}; give 1 to {min(width, height) - 1}."
        )
    corners = np.random.default_rng(seed).integers(0, (height - size + 1, width - size + 1), (len(images), 2))
    sides = np.full(len(images), size)
    regions = square_regions(corners, sides, (height, width))
    return Masked(cover(seed, kind, images, corners, sides), regions, corners)


def ranks_lowest(maps: Maps, corners: Corners, size: int) -> Bool[np.ndarray, " faces"]:
    """Whether the square on each face has a lower mean map than all its rivals.

    Its rivals are the squares of the same size on a grid that starts in the upper left corner, with half a side as
    step. Squares that cover more than half of its area are not rivals.

    Args:
        maps: one per face; lower is worse.
        corners: row and column of the upper left pixel of each square.
        size: side of the squares, in pixels.
    """
    sums = np.pad(np.cumsum(np.cumsum(maps, 1, dtype=np.float64), 2), ((0, 0), (1, 0), (1, 0)))

    def totals(faces: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        ends = (rows + size, columns + size)
        return (
            sums[faces, ends[0], ends[1]]
            - sums[faces, rows, ends[1]]
            - sums[faces, ends[0], columns]
            + sums[faces, rows, columns]
        )

    stride = max(1, size // 2)
    rows, columns = (np.arange(0, length - size + 1, stride) for length in maps.shape[1:])
    faces = np.arange(len(maps))
    rivals = totals(faces[:, None, None], rows[None, :, None], columns[None, None, :])
    shared_rows, shared_columns = (
        np.maximum(size - np.abs(places[None] - corners[:, [axis]]), 0) for axis, places in enumerate((rows, columns))
    )
    same = 2 * shared_rows[:, :, None] * shared_columns[:, None, :] > size * size
    lowest_rival = np.where(same, np.inf, rivals).min((1, 2))
    return totals(faces, *corners.T) < lowest_rival
