"""Faces made worse where we know it: does the map turn low there, and the score with it?

Source: Terhörst et al., "Pixel-Level Face Image Quality Assessment for Explainable Face Recognition", 2021, sections on
random masks and on inpainting. Their black squares are drawn here as there, on good faces; their occlusions were real
and restored by a deep network, ours are drawn, so that the clean face is known too, and restored from other faces.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.maps.explained import Explained, explain_faces
from pfiq_jax.maps.methods import MapMethod
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE
from pfiq_jax.recognizers.recognizer import Recognizer

MASK_SIZES = (10, 20, 30, 40, 50)
"""Sides of the squares, in pixels."""

OCCLUSIONS = ("sunglasses", "scarf", "hand")

EXAMPLES = 100  # faces to learn from: their products take time with the square of their number
RIDGE = 0.1  # of the examples' mean square; 0.1 to 1 restore alike

Images = Shaped[np.ndarray, "faces height width 3"]
Regions = Bool[np.ndarray, "faces height width"]
Maps = Float[np.ndarray, "faces height width"]


class Masked(NamedTuple):
    """Faces with a black square each.

    Attributes:
        images: RGB, 0..255.
        regions: where the square is.
        corners: row and column of its upper left pixel.
    """

    images: Images
    regions: Regions
    corners: Int[np.ndarray, "faces 2"]


class MaskFigures(NamedTuple):
    """What a map method makes of faces with a black square each; one number a face.

    Attributes:
        masked: the faces.
        explained: their qualities and maps.
        inside_before: mean map of the square's place without the square.
        inside_after: with it.
        outside_before: mean map of all other places without the square.
        outside_after: with it.
        found: whether no other place has a lower map; see ``ranks_lowest``.
    """

    masked: Masked
    explained: Explained
    inside_before: Float[np.ndarray, " faces"]
    inside_after: Float[np.ndarray, " faces"]
    outside_before: Float[np.ndarray, " faces"]
    outside_after: Float[np.ndarray, " faces"]
    found: Bool[np.ndarray, " faces"]


class Occluded(NamedTuple):
    """Faces with something drawn over a part of each.

    Attributes:
        images: RGB, 0..255.
        regions: where it is.
        kinds: what it is, of ``OCCLUSIONS``.
    """

    images: Images
    regions: Regions
    kinds: list[str]


def masks_experiment(
    method: MapMethod, recognizer: Recognizer, images: Images, clean: Explained, *, size: int, seed: int = 0
) -> MaskFigures:
    """Draws a black square on each face, at random, and explains the faces again.

    Args:
        method: of maps, of which higher is better.
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; best good ones.
        clean: what the method says of them.
        size: side of the square, in pixels.
        seed: of the squares' places.

    Raises:
        PfiqError: for a square that does not fit into the images.

    References:
        Terhörst et al., 2021, "random masks".
    """
    masked = mask_squares(seed, images, size)
    explained = explain_faces(method, recognizer, masked.images)
    return MaskFigures(
        masked,
        explained,
        mean_within(clean.map, masked.regions),
        mean_within(explained.map, masked.regions),
        mean_within(clean.map, ~masked.regions),
        mean_within(explained.map, ~masked.regions),
        ranks_lowest(explained.map, masked.corners, size),
    )


def mask_squares(seed: int, images: Images, size: int) -> Masked:
    """Images with a black square each, anywhere but wholly inside, all places alike.

    Raises:
        PfiqError: for a square of less than a pixel, or as large as the images.
    """
    height, width = images.shape[1:3]
    if not 1 <= size < min(height, width):
        raise PfiqError(f"a square of {size} pixels does not fit into {width}x{height}; give a smaller one.")
    corners = np.random.default_rng(seed).integers(0, (height - size + 1, width - size + 1), (len(images), 2))
    rows, columns = (np.arange(length)[None] - corners[:, [axis]] for axis, length in enumerate((height, width)))
    regions = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    return Masked(np.where(regions[..., None], np.zeros_like(images), images), regions, corners)


def ranks_lowest(maps: Maps, corners: Int[np.ndarray, "faces 2"], size: int) -> Bool[np.ndarray, " faces"]:
    """Whether a square has a lower mean map than all its rivals.

    Its rivals are the squares of the same size at every half side of the image, from the upper left corner on, without
    those that share more than half of its area: whoever names one of these has found it.

    Args:
        maps: one a face, higher is better.
        corners: row and column of the square's upper left pixel, of each face.
        size: of its side, in pixels.
    """
    sums = np.pad(np.cumsum(np.cumsum(maps, 1, dtype=np.float64), 2), ((0, 0), (1, 0), (1, 0)))

    def totals(faces: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        ends = (rows + size, columns + size)
        return (
            sums[faces, ends[0], ends[1]]
            - sums[faces, rows, ends[1]]
            - sums[faces, ends[0], columns]
            + (sums[faces, rows, columns])
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


def mean_within(maps: Maps, regions: Regions) -> Float[np.ndarray, " faces"]:
    """The mean of each map over its region, in the maps' unit."""
    return np.sum(maps, (1, 2), where=regions, dtype=np.float64) / regions.sum((1, 2))


def occlude(seed: int, images: Images) -> Occluded:
    """Faces with sunglasses, a scarf or a hand drawn over them, in turn: flat shapes of a random place and colour.

    Args:
        seed: of places and colours.
        images: RGB, 0..255, aligned as ``ARCFACE_TEMPLATE`` says; of another size than 112x112, the shapes grow.
    """
    height, width = images.shape[1:3]
    generator = np.random.default_rng(seed)
    regions, colours, kinds = [], [], []
    for index in range(len(images)):
        kind = OCCLUSIONS[index % len(OCCLUSIONS)]
        shift = generator.uniform(-3, 3, 2)
        y = (np.arange(height)[:, None] + 0.5) * 112 / height - shift[0]
        x = (np.arange(width)[None, :] + 0.5) * 112 / width - shift[1]
        regions.append(np.broadcast_to(_shape(kind, y, x, generator), (height, width)))
        darkest, brightest = {"sunglasses": (0, 60), "scarf": (0, 256), "hand": (100, 220)}[kind]
        colour = generator.integers(darkest, brightest, 3)
        colours.append(np.sort(colour)[::-1] if kind == "hand" else colour)  # of skin, red is the brightest
        kinds.append(kind)
    where = np.stack(regions)
    paint = np.array(colours, images.dtype)[:, None, None]
    return Occluded(np.where(where[..., None], paint, images), where, kinds)


def inpaint(images: Images, regions: Regions, clean: Images) -> Images:
    """Images whose regions show what the faces of other people let one expect there.

    The examples' mean, and those of their differences from it that explain the rest of the image best, in the least
    squares with a ridge; then moved, as smoothly as can be, to meet the image at the region's border.

    Args:
        images: RGB, 0..255, aligned.
        regions: what to fill, of each image.
        clean: the same faces, two or more, without what was in the regions; each is restored from the others, of many
            from about ``EXAMPLES``, and its own is not looked at.

    Raises:
        PfiqError: where a region is all of its image, and for fewer than two faces.

    References:
        Everson and Sirovich, "Karhunen-Loève procedure for gappy data", JOSA A 1995; Pérez, Gangnet, Blake, "Poisson
        Image Editing", SIGGRAPH 2003.
    """
    if regions.all((1, 2)).any():
        raise PfiqError("a region to fill is all of its image; leave some of it to fill from.")
    if len(clean) < 2:
        raise PfiqError("there is one face and so no other to restore it from; give at least two.")
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
    """An image whose region solves Laplace's equation: each pixel is the mean of its neighbours on the four sides."""
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


def _shape(kind: str, y: np.ndarray, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Where an occlusion lies, in the template's pixels."""
    right_eye, left_eye, _, right_mouth, left_mouth = ARCFACE_TEMPLATE
    centre = (right_eye[0] + left_eye[0]) / 2
    if kind == "sunglasses":
        return (np.abs(x - centre) <= 34) & (np.abs(y - right_eye[1]) <= 10)
    if kind == "scarf":
        return (np.abs(x - (right_mouth[0] + left_mouth[0]) / 2) <= 40) & (y >= right_mouth[1] - 14)
    angle, side = generator.uniform(-0.6, 0.6), generator.choice((-1, 1))
    dy, dx = y - 74, x - (centre + 20 * side)  # a cheek
    along, across = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
    return (along / 30) ** 2 + (across / 14) ** 2 <= 1


def _expected(
    image: Shaped[np.ndarray, "height width 3"],
    region: Bool[np.ndarray, "height width"],
    examples: Shaped[np.ndarray, "examples height width 3"],
) -> Float[np.ndarray, "height width 3"]:
    """The image that the examples explain best outside the region, by ridge regression in its dual form."""
    faces = examples.reshape(len(examples), -1).astype(np.float64)
    mean = faces.mean(0)
    differences = faces - mean
    seen = np.repeat(~region.ravel(), 3)
    products = differences[:, seen] @ differences[:, seen].T
    ridge = RIDGE * np.trace(products) / len(products) + 1e-9  # above 0 where all examples are alike
    shares = np.linalg.solve(
        products + ridge * np.eye(len(products)), differences[:, seen] @ (image.reshape(-1) - mean)[seen]
    )
    return (mean + shares @ differences).reshape(image.shape)
