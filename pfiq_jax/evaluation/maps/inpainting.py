"""Restored faces: whether map and score rise again after an occlusion is replaced.

Source: Terhörst et al., "Pixel-Level Face Image Quality Assessment for Explainable Face Recognition", 2021, section on
inpainting. They restore the faces by a deep network. Here faces are restored from other faces.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.bootstrap import mean_estimates
from pfiq_jax.evaluation.estimate import Estimate
from pfiq_jax.evaluation.maps.explained import Explained, MapFunction, explain_faces
from pfiq_jax.evaluation.maps.occlusions import OCCLUSIONS, occlude
from pfiq_jax.evaluation.maps.regions import Images, Regions, mean_within
from pfiq_jax.evaluation.measure import Measure
from pfiq_jax.recognizers.recognizer import Recognizer

STATES = ("clean", "occluded", "restored")
ALL = "all"  # faces, with any occlusion

INPAINTING_MEASURES = (
    Measure("quality_clean", "", 0, "quality of the face, 0 to 1"),
    Measure("quality_occluded", "", 0, "quality of the occluded face"),
    Measure("quality_restored", "", 0, "quality of the restored face"),
    Measure("quality_gain", "higher", 0, "quality_restored, minus quality_occluded"),
    Measure("quality_gained", "higher", 0, "share of faces whose quality_gain is positive"),
    Measure("inside_clean", "", 0, "mean map within the occlusion's place, of the clean face"),
    Measure("inside_occluded", "", 0, "mean map within the occlusion"),
    Measure("inside_restored", "", 0, "mean map within the restored region"),
    Measure("inside_gain", "higher", 0, "inside_restored, minus inside_occluded"),
    Measure("inside_gained", "higher", 0, "share of faces whose inside_gain is positive"),
)

EXAMPLES = 100  # faces to restore from; the cost grows with the square of their number
RIDGE = 0.1  # relative to the examples' mean square; values from 0.1 to 1 restore equally well


class InpaintingEvaluation(NamedTuple):
    """The result of ``evaluate_inpainting``.

    Attributes:
        images: RGB, 0..255, by state, one of ``STATES``.
        explained: qualities and maps, by state.
        kinds: the occlusion of each face, one of ``OCCLUSIONS``.
        estimates: by occlusion, with "all" for all faces first, then by name of ``INPAINTING_MEASURES``.
    """

    images: dict[str, Images]
    explained: dict[str, Explained]
    kinds: list[str]
    estimates: dict[str, dict[str, Estimate]]


def evaluate_inpainting(
    recognizer: Recognizer,
    images: Images,
    compute: MapFunction,
    *,
    seed: int = 0,
    advance: Callable[[int], object] = lambda states: None,
) -> InpaintingEvaluation:
    """Occludes faces, restores them, and measures how quality and map change.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; two or more.
        compute: a map method; higher maps are better.
        seed: of the occlusions and of the bootstrap over the faces.
        advance: called with 1 after each of ``STATES``.

    Raises:
        PfiqError: for fewer than two faces.

    References:
        Terhörst et al., 2021, "inpainting".
    """
    occluded = occlude(seed, images)
    of_state = {
        "clean": images,
        "occluded": occluded.images,
        "restored": inpaint(occluded.images, occluded.regions, images),
    }
    explained = {}
    for state, of_images in of_state.items():
        explained[state] = explain_faces(compute, recognizer, of_images)
        advance(1)

    values = _values(explained, occluded.regions)
    kinds = np.array(occluded.kinds)
    rows = {ALL: np.ones(len(kinds), bool)} | {kind: kinds == kind for kind in OCCLUSIONS[: len(kinds)]}
    estimates = {
        row: mean_estimates({name: each[chosen] for name, each in values.items()}, seed=seed)
        for row, chosen in rows.items()
    }
    return InpaintingEvaluation(of_state, explained, occluded.kinds, estimates)


def _values(explained: dict[str, Explained], regions: Regions) -> dict[str, np.ndarray]:
    """One number per face of each of ``INPAINTING_MEASURES``."""
    values: dict[str, np.ndarray] = {}
    qualities = {state: result.quality for state, result in explained.items()}
    insides = {state: mean_within(result.map, regions) for state, result in explained.items()}
    for name, of_state in (("quality", qualities), ("inside", insides)):
        gain = of_state["restored"] - of_state["occluded"]
        values |= {f"{name}_{state}": each for state, each in of_state.items()}
        values |= {f"{name}_gain": gain, f"{name}_gained": gain > 0}
    return values


def inpaint(images: Images, regions: Regions, clean: Images) -> Images:
    """Fills a region of each image with its estimate from the faces of other people.

    Ridge regression approximates the image outside the region by the mean of the examples plus a combination of their
    differences from this mean. The same combination fills the region. A smooth correction makes it continuous at the
    border of the region.

    Args:
        images: RGB, 0..255, aligned.
        regions: the pixels to fill, of each image.
        clean: the same faces, two or more, without occlusions. Each face is restored from the other faces, or from
            about ``EXAMPLES`` of them, and never from its own clean image.

    Raises:
        PfiqError: for a region that covers its image, and for fewer than two faces.

    References:
        Everson and Sirovich, "Karhunen-Loève procedure for gappy data", JOSA A 1995; Pérez, Gangnet, Blake, "Poisson
        Image Editing", SIGGRAPH 2003.
    """
    if regions.all((1, 2)).any():
        raise PfiqError("a region to fill covers its whole image; give regions that leave a part of the image.")
    if len(clean) < 2:
        raise PfiqError("a face is restored from other faces, but there is only one; give two or more.")
    examples = np.unique(np.linspace(0, len(clean) - 1, EXAMPLES).round().astype(int))
    filled = images.copy()
    for index, (image, region) in enumerate(zip(images, regions, strict=True)):
        expected = _expected(image, region, clean[examples[examples != index]])
        pixels = expected + smooth_fill(image - expected, region)
        filled[index][region] = np.clip(np.rint(pixels), 0, 255)[region]
    return filled


def smooth_fill(
    image: Float[np.ndarray, "height width channels"], region: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width channels"]:
    """Fills a region by solving Laplace's equation: each pixel becomes the mean of its neighbours on the four sides."""
    from scipy import sparse  # takes long to import
    from scipy.sparse.linalg import spsolve

    places = np.argwhere(region)
    if not len(places):
        return image
    unknown = np.zeros(region.shape, np.int64)
    unknown[region] = np.arange(len(places))
    known_sum, neighbours = np.zeros((len(places), image.shape[-1])), np.zeros(len(places))
    links = []
    for step in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        others = places + step
        inside = np.flatnonzero(((others >= 0) & (others < region.shape)).all(1))
        neighbours[inside] += 1
        row, column = others[inside].T
        open_ = region[row, column]
        known_sum[inside[~open_]] += image[row[~open_], column[~open_]]
        links.append((inside[open_], unknown[row[open_], column[open_]]))
    first, second = np.concatenate(links, 1)
    size = (len(places), len(places))
    matrix = sparse.diags(neighbours) - sparse.coo_matrix((np.ones(len(first)), (first, second)), size)
    filled = image.copy()
    filled[region] = spsolve(sparse.csc_matrix(matrix), known_sum).reshape(known_sum.shape)
    return filled


def _expected(
    image: Shaped[np.ndarray, "height width 3"],
    region: Bool[np.ndarray, "height width"],
    examples: Shaped[np.ndarray, "examples height width 3"],
) -> Float[np.ndarray, "height width 3"]:
    """The combination of examples that best fits the image outside the region, by dual ridge regression."""
    faces = examples.reshape(len(examples), -1).astype(np.float64)
    mean = faces.mean(0)
    differences = faces - mean
    seen = np.repeat(~region.ravel(), 3)
    products = differences[:, seen] @ differences[:, seen].T
    ridge = RIDGE * np.trace(products) / len(products) + 1e-9  # positive even if all examples are equal
    shares = np.linalg.solve(
        products + ridge * np.eye(len(products)), differences[:, seen] @ (image.reshape(-1) - mean)[seen]
    )
    return (mean + shares @ differences).reshape(image.shape)
