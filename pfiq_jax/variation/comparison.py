"""Comparisons of activation maps: of faces of high and of low quality, and of single faces with a set.

Source: Fu and Damer, WACVW 2022 (AMVA).
"""

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Float64

from pfiq_jax.errors import PfiqError
from pfiq_jax.variation.region import Region, check_region
from pfiq_jax.variation.variation import STATISTICS, Variation


class DeviationScores(NamedTuple):
    """How far faces are from the mean map of faces of high quality, 0..1; higher is further, which is worse.

    Attributes:
        whole: mean deviation of all pixels.
        outside: mean deviation of the pixels outside the central face, where faces of high quality activate little.
    """

    whole: Float64[np.ndarray, " faces"]
    outside: Float64[np.ndarray, " faces"]


def difference_maps(high: Variation, low: Variation) -> dict[str, Float64[np.ndarray, "height width"]]:
    """How much two sets differ in each of the ``STATISTICS``: ``abs(high - low)``, divided by its own maximum.

    Each map ranges from 0 to 1, so two maps cannot be compared. For equal sets the map is 0 everywhere.

    Args:
        high: of faces of high quality.
        low: of faces of low quality.

    Raises:
        PfiqError: for maps of different sizes, and for fewer than two faces.

    References:
        Fu and Damer, WACVW 2022. Their program calls the maps of "std" and of "squared_deviation_spread" "dev_std" and
        "dev_mad".
    """
    if high.shape != low.shape:
        raise PfiqError(f"maps of {high.shape} and of {low.shape} pixels cannot be compared; give maps of one size.")
    differences = {name: np.abs(getattr(high, name) - getattr(low, name)) for name in STATISTICS}
    return {name: difference / (difference.max() or 1.0) for name, difference in differences.items()}


def deviation(good: Variation, maps: ArrayLike) -> Float64[np.ndarray, "*faces height width"]:
    """How far each pixel's activation is from its mean over faces of high quality, ``abs(mean - map)``, in 0..1.

    Higher is further.

    Args:
        good: of faces of high quality, with the same recogniser and activation method.
        maps: of one face or of many, in [0, 1].

    Raises:
        PfiqError: for maps of another size, and for statistics of no faces.

    References:
        Fu and Damer, WACVW 2022, single images. It is high where the pose is unusual or the face is covered.
    """
    if np.shape(maps)[-2:] != good.shape:
        raise PfiqError(
            f"activation maps of shape {np.shape(maps)} do not fit statistics of {good.shape[0]}x{good.shape[1]} "
            "pixels; give statistics that were made with the same recogniser."
        )
    return np.abs(good.mean - np.asarray(maps, np.float64))


def deviation_scores(deviations: Float[np.ndarray, "faces height width"], region: Region) -> DeviationScores:
    """The mean deviation of each face; equal to the bit with any other faces in the batch.

    Args:
        deviations: as ``deviation`` returns them.
        region: the central face.

    Raises:
        PfiqError: for a region of another size, and for a region that is empty or the whole image.
    """
    check_region(region, deviations.shape[1:])
    # Face by face, since NumPy adds the pixels of a batch in another order than those of a single face.
    return DeviationScores(
        np.array([face.mean() for face in deviations], np.float64),
        np.array([face[~region].mean() for face in deviations], np.float64),
    )
