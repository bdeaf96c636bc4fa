"""Activation maps compared: those of good and of bad faces, and those of single faces with the good ones'.

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
    """How far faces are from what good ones show, 0..1; higher is further, and so the worse.

    Attributes:
        whole: mean deviation of all pixels.
        outside: of those outside the central face, where good faces show little.
    """

    whole: Float64[np.ndarray, " faces"]
    outside: Float64[np.ndarray, " faces"]


def difference_maps(high: Variation, low: Variation) -> dict[str, Float64[np.ndarray, "height width"]]:
    """How much two sets differ in each of the ``STATISTICS``: ``abs(high - low)``, divided by its own maximum.

    So every map reaches from 0 to 1, and two of them cannot be compared; where the sets do not differ at all it is 0.

    Args:
        high: of faces of high quality.
        low: of faces of low quality.

    Raises:
        PfiqError: for maps of two sizes, and for fewer than two faces.

    References:
        Fu and Damer, WACVW 2022; "dev_std" and "dev_mad" of their program are ours of "std" and of
        "squared_deviation_spread".
    """
    if high.shape != low.shape:
        raise PfiqError(f"maps of {high.shape} and of {low.shape} pixels cannot be compared; give maps of one size.")
    differences = {name: np.abs(getattr(high, name) - getattr(low, name)) for name in STATISTICS}
    return {name: difference / (difference.max() or 1.0) for name, difference in differences.items()}


def deviation(good: Variation, maps: ArrayLike) -> Float64[np.ndarray, "*faces height width"]:
    """How far each pixel's activation is from its mean over good faces, ``abs(mean - map)``, 0..1; higher is further.

    Args:
        good: of faces of high quality, under the same recogniser and activation method.
        maps: of one face or of many, in [0, 1].

    Raises:
        PfiqError: for maps of another size, and for good faces that are none.

    References:
        Fu and Damer, WACVW 2022, single images: high where a pose or an occlusion shows.
    """
    if np.shape(maps)[-2:] != good.shape:
        raise PfiqError(
            f"activation maps of shape {np.shape(maps)} do not fit statistics of {good.shape[0]}x{good.shape[1]} "
            "pixels; give statistics that were made with the same recogniser."
        )
    return np.abs(good.mean - np.asarray(maps, np.float64))


def deviation_scores(deviations: Float[np.ndarray, "faces height width"], region: Region) -> DeviationScores:
    """One number a face; the same to the bit whatever other faces are in the batch.

    Args:
        deviations: as ``deviation`` gives them.
        region: the central face.

    Raises:
        PfiqError: for a region of another size, and for one that is empty or the whole image.
    """
    check_region(region, deviations.shape[1:])
    # Face by face: NumPy adds up a whole batch in another order than a single one.
    return DeviationScores(
        np.array([face.mean() for face in deviations], np.float64),
        np.array([face[~region].mean() for face in deviations], np.float64),
    )
