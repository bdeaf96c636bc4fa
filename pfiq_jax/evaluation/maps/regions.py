"""Regions of faces, and the values of maps within them."""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

Images = Shaped[np.ndarray, "faces height width 3"]
Maps = Float[np.ndarray, "faces height width"]
Regions = Bool[np.ndarray, "faces height width"]
Corners = Int[np.ndarray, "faces 2"]
"""Row and column of a square's upper left pixel."""

Sides = Int[np.ndarray, " faces"]
"""Lengths of the sides of squares, in pixels."""


def square_regions(corners: Corners, sides: Sides, size: tuple[int, int]) -> Regions:
    """The pixels of one square per face, in images of a given height and width."""
    rows, columns = (np.arange(length)[None] - corners[:, [axis]] for axis, length in enumerate(size))
    inside_rows, inside_columns = ((each >= 0) & (each < sides[:, None]) for each in (rows, columns))
    return inside_rows[:, :, None] & inside_columns[:, None, :]


def mean_within(maps: Maps, regions: Regions) -> Float[np.ndarray, " faces"]:
    """The mean of each map over its region, in the unit of the maps."""
    return np.sum(maps, (1, 2), where=regions, dtype=np.float64) / regions.sum((1, 2))


def relative_ranks(maps: Maps) -> Float[np.ndarray, "faces height width"]:
    """The rank of each pixel within its own map: 0 for the lowest value, 1 for the highest.

    Equal pixels share their mean rank. All ranks of a map that holds NaN are NaN.
    """
    from scipy.stats import rankdata  # takes long to import

    flat = maps.reshape(len(maps), -1).astype(np.float64)  # newer scipy ranks float32 in float32
    return ((rankdata(flat, axis=1) - 1) / (flat.shape[1] - 1)).reshape(maps.shape)
