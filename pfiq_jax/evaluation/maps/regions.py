"""Regions of faces: what a map shows within them."""

import numpy as np
from jaxtyping import Bool, Float, Shaped

Images = Shaped[np.ndarray, "faces height width 3"]
Maps = Float[np.ndarray, "faces height width"]
Regions = Bool[np.ndarray, "faces height width"]


def mean_within(maps: Maps, regions: Regions) -> Float[np.ndarray, " faces"]:
    """The mean of each map over its region, in the maps' unit."""
    return np.sum(maps, (1, 2), where=regions, dtype=np.float64) / regions.sum((1, 2))
