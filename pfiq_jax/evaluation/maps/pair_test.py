"""The place-matched pair test: whether a map ranks a place lower when that place is covered.

Faces are in the middle of their crops, so a map that does not depend on the face passes many tests, just by its places.
This test compares a place with itself: the same face is covered once at a and once at b. The result is exactly 0.5 for
any map that does not depend on the face.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pfiq_jax.evaluation.maps.covers import COVERS, MAIN_COVERS, cover, cover_sides
from pfiq_jax.evaluation.maps.explained import Explain, PerFace
from pfiq_jax.evaluation.maps.regions import (
    Corners,
    Images,
    Maps,
    Regions,
    Sides,
    mean_within,
    relative_ranks,
    square_regions,
)

PAIR_TEST_MAPS = 2 * len(COVERS)
"""The number of maps per face that ``pair_tests`` computes by each method."""


class Pair(NamedTuple):
    """Two covered copies of each face, with the same kind of cover at disjoint places.

    Attributes:
        images: the faces, covered at the first and at the second place, uint8 RGB.
        regions: the first and the second place.
    """

    images: tuple[Images, Images]
    regions: tuple[Regions, Regions]


def covered_pair(seed: int, kind: str, images: Images) -> Pair:
    """Covers each face at two disjoint squares of one size, which are placed uniformly in the image.

    The first face gets the smaller of ``COVER_SIDES``, the second face the larger one, and so on in turn.

    Args:
        seed: of places and covers.
        kind: one of ``COVERS``.
        images: uint8 RGB, aligned, one face of each person, two or more.

    Raises:
        PfiqError: for an unknown kind, and for fewer than two faces.
    """
    size = images.shape[1:3]
    sides = cover_sides(len(images), size)
    places = disjoint_squares(np.random.default_rng((seed, list(COVERS).index(kind))), sides, size)
    first, second = (cover(seed, kind, images, corners, sides) for corners in places)
    region, other_region = (square_regions(corners, sides, size) for corners in places)
    return Pair((first, second), (region, other_region))


def disjoint_squares(generator: np.random.Generator, sides: Sides, size: tuple[int, int]) -> tuple[Corners, Corners]:
    """Corners of two squares per face that do not overlap, uniform over all such pairs.

    Args:
        generator: of NumPy.
        sides: of the squares, in pixels; less than half of the image's height or width.
        size: height and width of the images.
    """
    places = np.zeros((2, len(sides), 2), np.int64)
    overlap = np.ones(len(sides), bool)
    while overlap.any():
        free = np.array(size) - sides[overlap, None] + 1
        places[:, overlap] = generator.integers(0, np.stack([free, free]))
        overlap = (np.abs(places[0] - places[1]) < sides[:, None]).all(1)
    return places[0], places[1]


def pair_test(explain: Explain, pair: Pair) -> Float[np.ndarray, " faces"]:
    """For each face, the share of its two places that have a lower mean rank when they are covered.

    1 is best. A place with the same mean rank in both maps counts as 0.5. Ranks are within a map, from 0 to 1. The
    result is NaN for a map that holds NaN.

    Args:
        explain: the maps to test.
        pair: from ``covered_pair``.
    """
    ranks: list[Maps] = [relative_ranks(explain(images).map) for images in pair.images]
    first, second = pair.regions
    won = [
        mean_within(ranks[0], first) - mean_within(ranks[1], first),
        mean_within(ranks[1], second) - mean_within(ranks[0], second),
    ]
    return np.mean([(1 - np.sign(difference)) / 2 for difference in won], 0)


def pair_tests(seed: int, images: Images, methods: Mapping[str, Explain]) -> PerFace:
    """The pair test with every kind of cover, on the same pairs for all methods.

    Args:
        seed: of places and covers.
        images: uint8 RGB, aligned, one face of each person, two or more.
        methods: by name.

    Returns:
        For each method the measures ``ppt_KIND``, and ``ppt``, their mean over ``MAIN_COVERS``.
    """
    values: PerFace = {}
    for kind in COVERS:
        pair = covered_pair(seed, kind, images)
        values |= {(name, f"ppt_{kind}"): pair_test(explain, pair) for name, explain in methods.items()}
    return values | {
        (name, "ppt"): np.mean([values[name, f"ppt_{kind}"] for kind in MAIN_COVERS], 0) for name in methods
    }
