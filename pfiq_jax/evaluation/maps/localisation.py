"""Localisation: whether the pixels of a face that a cover disturbs stand out in its map of deficits.

A cover on the background need not cause a deficit, so the centres of the covers are within the face.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pfiq_jax.evaluation.maps.covers import COVERS, MAIN_COVERS, cover, cover_sides
from pfiq_jax.evaluation.maps.explained import Explain, Explained, PerFace
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

LOCALISATION_MAPS = len(COVERS)
"""The number of maps per face that ``localise`` computes by each method."""

AreaOfCounts = Callable[[Int[np.ndarray, " faces"]], float]
"""The area under a ROC curve as a function of how often each face counts."""

EXAMPLES = 3
"""The number of covered faces that are kept with their maps, for a picture."""

FACE_CENTRE = (62, 56)  # row and column, in pixels of a face of 112x112
FACE_HALF_AXES = (44, 34)
LEVELS = 1024


def covered_face(seed: int, kind: str, images: Images) -> tuple[Images, Regions]:
    """Covers a square of each face whose centre is placed uniformly within the ellipse of the face.

    Args:
        seed: of places and covers.
        kind: one of ``COVERS``.
        images: uint8 RGB, aligned, one face of each person, two or more.

    Returns:
        The covered faces, and the pixels of the covers.

    Raises:
        PfiqError: for an unknown kind, and for fewer than two faces.
    """
    size = images.shape[1:3]
    sides = cover_sides(len(images), size)
    corners = squares_on_faces(np.random.default_rng((seed, list(COVERS).index(kind))), sides, size)
    return cover(seed, kind, images, corners, sides), square_regions(corners, sides, size)


def squares_on_faces(generator: np.random.Generator, sides: Sides, size: tuple[int, int]) -> Corners:
    """Corners of squares within the image, uniform over all squares with their centre within the ellipse of the face.

    Args:
        generator: of NumPy.
        sides: of the squares, in pixels.
        size: height and width of the images; the ellipse is scaled to them.
    """
    scale = np.array(size) / 112
    corners = np.zeros((len(sides), 2), np.int64)
    outside = np.ones(len(sides), bool)
    while outside.any():
        corners[outside] = generator.integers(0, np.array(size) - sides[outside, None] + 1)
        centres = (corners + sides[:, None] / 2) / scale
        outside = (((centres - FACE_CENTRE) / FACE_HALF_AXES) ** 2).sum(1) > 1
    return corners


def suspicion(explained: Explained) -> Maps:
    """The deficit, or the negated map if there is no deficit; higher is worse."""
    return -explained.map if explained.deficit is None else explained.deficit


def auroc(values: Maps, regions: Regions) -> Float[np.ndarray, " faces"]:
    """For each face, the area under the ROC curve that separates the pixels of its region from all its other pixels.

    It is the probability that a pixel within the region has a higher value than a pixel outside, plus half of the
    probability that both are equal.
    """
    pixels, inside = values[0].size, regions.sum((1, 2))
    mean_rank = mean_within(relative_ranks(values), regions) * (pixels - 1) + 1
    return (mean_rank - (inside + 1) / 2) / (pixels - inside)


def pooled_auroc(values: Maps, regions: Regions) -> AreaOfCounts:
    """The area under the ROC curve that separates the covered pixels of all faces from all other pixels of all faces.

    It requires one scale for all faces. Pixels within the same of 1024 quantiles of all pixels count as equal.

    Returns:
        The area as a function of how often each face counts.
    """
    from scipy.stats import rankdata  # takes long to import

    shares = (rankdata(values.astype(np.float64)) - 0.5) / values.size
    levels = np.floor(shares * LEVELS).astype(np.int64).reshape(values.shape)
    covered, others = _histograms(levels, regions), _histograms(levels, ~regions)

    def area(counts: Int[np.ndarray, " faces"]) -> float:
        weights = counts.astype(np.float32)  # like the histograms, since BLAS does not multiply integers
        inside, outside = ((weights @ each).astype(np.float64) for each in (covered, others))
        below = np.cumsum(outside) - outside / 2
        return float(inside @ below / (inside.sum() * outside.sum()))

    return area


def _histograms(levels: Int[np.ndarray, "faces height width"], regions: Regions) -> Float[np.ndarray, "faces levels"]:
    """The number of pixels of a region with each level, per face."""
    counts = [np.bincount(of_face[region], minlength=LEVELS) for of_face, region in zip(levels, regions, strict=True)]
    return np.stack(counts).astype(np.float32)


class Covered(NamedTuple):
    """Some faces with one kind of cover.

    Attributes:
        images: RGB, 0..255.
        explained: their maps, by method.
    """

    images: Images
    explained: dict[str, Explained]


class Localisation(NamedTuple):
    """The result of ``localise``.

    Attributes:
        values: for each method the measures ``localisation_KIND``, and ``localisation``, their mean over
            ``MAIN_COVERS``.
        pooled: by method, the mean of ``pooled_auroc`` over ``MAIN_COVERS``, as a function of how often each face
            counts.
        covered: the first faces with each kind of cover.
    """

    values: PerFace
    pooled: dict[str, AreaOfCounts]
    covered: dict[str, Covered]


def localise(seed: int, images: Images, methods: Mapping[str, Explain]) -> Localisation:
    """The localisation of every kind of cover, on the same covered faces for all methods.

    Args:
        seed: of places and covers.
        images: uint8 RGB, aligned, one face of each person, two or more.
        methods: by name.
    """
    values: PerFace = {}
    areas: dict[str, list[AreaOfCounts]] = {name: [] for name in methods}
    examples, covered = np.arange(min(EXAMPLES, len(images))), {}
    for kind in COVERS:
        faces, regions = covered_face(seed, kind, images)
        covered[kind] = Covered(faces[examples], {})
        for name, explain in methods.items():
            explained = explain(faces)
            values[name, f"localisation_{kind}"] = auroc(suspicion(explained), regions)
            if kind in MAIN_COVERS:
                areas[name].append(pooled_auroc(suspicion(explained), regions))
            covered[kind].explained[name] = explained.of(examples)
    for name in methods:
        values[name, "localisation"] = np.mean([values[name, f"localisation_{kind}"] for kind in MAIN_COVERS], 0)
    return Localisation(values, {name: _mean_of(of_kinds) for name, of_kinds in areas.items()}, covered)


def _mean_of(areas: Sequence[AreaOfCounts]) -> AreaOfCounts:
    return lambda counts: float(np.mean([area(counts) for area in areas]))
