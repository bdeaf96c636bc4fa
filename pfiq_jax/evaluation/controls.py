"""Controls of the evaluations: scores and maps that any method should beat.

Random scores and maps do not depend on the faces. The mean map of other faces shows only where faces lie. The detail
energy shows only where an image has structure. Neither of them depends on the network's view of this face.
"""

import numpy as np
from jaxtyping import Float, Shaped

RANDOM = "random"
MEAN_MAP = "mean_map"
DETAIL = "detail"
SHUFFLED = "shuffled_weights"
"""The names of the controls among the methods."""

_SCORE_SEED = 6_180_339  # an unusual one: the data themselves may have been drawn with a usual one
_FINE_SIGMA, _COARSE_SIGMA = 2.0, 4.0  # pixels: of what counts as detail, and of how far its energy is spread


def random_scores(count: int) -> Float[np.ndarray, " images"]:
    """Scores that are uniform in [0, 1), and the same whenever there are as many images."""
    return np.random.default_rng(_SCORE_SEED).random(count)


def random_maps(seed: int, shape: tuple[int, int, int]) -> Float[np.ndarray, "faces height width"]:
    """Maps of shape (faces, height, width) that are uniform in [0, 1)."""
    return np.random.default_rng(seed).random(shape, np.float32)


def mean_maps(maps: Float[np.ndarray, "faces height width"]) -> Float[np.ndarray, "faces height width"]:
    """For each face the mean of the maps of all other faces, of two or more."""
    total = maps.sum(0, dtype=np.float64)
    return ((total - maps) / (len(maps) - 1)).astype(np.float32)


def detail_maps(images: Shaped[np.ndarray, "faces height width 3"]) -> Float[np.ndarray, "faces height width"]:
    """The detail energy of each image: ``|x - blur(x)|``, blurred, as a share of the grey levels, in [0, 1]."""
    from scipy.ndimage import gaussian_filter  # takes long to import

    pixels = images.astype(np.float32)
    detail = np.abs(pixels - gaussian_filter(pixels, (0, _FINE_SIGMA, _FINE_SIGMA, 0))).mean(-1)
    return gaussian_filter(detail, (0, _COARSE_SIGMA, _COARSE_SIGMA)) / 255
