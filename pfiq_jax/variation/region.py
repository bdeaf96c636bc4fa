"""The central part of an aligned face, and the values of a map inside and outside it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.preprocessing import Preprocessing, template_for

EXTENT = 0.75  # half axes, relative to the box of the landmarks; includes the surroundings of eyes, nose and mouth

Map = Float[np.ndarray, "height width"]
Region = Bool[np.ndarray, "_height _width"]  # checked by `check_region`, whose messages are clearer


class ByRegion(NamedTuple):
    """The values of a map, row after row.

    Attributes:
        inside: of the pixels of the region.
        outside: of all other pixels.
    """

    inside: Float[np.ndarray, " inside"]
    outside: Float[np.ndarray, " outside"]


class MeanByRegion(NamedTuple):
    """The mean of a map inside a region and outside it, in the map's unit."""

    inside: float
    outside: float


def central_face(preprocessing: Preprocessing) -> Region:
    """True in an ellipse around the eyes, the nose and the mouth of an aligned face.

    Its centre is the centre of the bounding box of the five landmarks. Its axes are 1.5 times the sides of the box. In
    ArcFace's crops it is about a fifth of the image. Fu and Damer do not define the border of their "central face".

    Args:
        preprocessing: of the recogniser; without a template, ArcFace's is used, scaled to the crop.

    Returns:
        A mask (height, width) of the recogniser's images.
    """
    height, width = preprocessing.size
    points = np.asarray(preprocessing.template or template_for(preprocessing.size))
    low, high = points.min(0), points.max(0)
    (x, y), (half_width, half_height) = (low + high) / 2, EXTENT * (high - low)
    rows, columns = np.arange(height)[:, None] - y, np.arange(width)[None, :] - x
    return (columns * half_height) ** 2 + (rows * half_width) ** 2 <= (half_width * half_height) ** 2


def by_region(values: Map, region: Region) -> ByRegion:
    """The values of a map inside a region and outside it.

    Args:
        values: the map.
        region: as ``central_face`` returns it.

    Raises:
        PfiqError: for a region of another size, and for a region that is empty or the whole map.
    """
    check_region(region, values.shape)
    return ByRegion(values[region], values[~region])


def mean_by_region(values: Map, region: Region) -> MeanByRegion:
    """The mean of a map inside a region and outside it; see ``by_region``."""
    return MeanByRegion(*(float(part.mean()) for part in by_region(values, region)))


def check_region(region: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises a PfiqError unless a region has the shape of a map, with pixels inside and outside."""
    if region.shape != shape:
        raise PfiqError(f"a region of shape {region.shape} does not fit maps of shape {shape}; give one of their size.")
    if region.all() or not region.any():
        raise PfiqError("a region is empty or covers its whole map; give one with pixels on either side.")
