"""Controls of the evaluations: scores and maps that any method should beat.

Random scores and maps do not depend on the faces. The mean map of other faces shows only where faces are in images. The
detail energy shows only where an image has structure. None of them depends on what the network computes for this face.
"""

import numpy as np
from jaxtyping import Float, Shaped

RANDOM = "random"
MEAN_MAP = "mean_map"
DETAIL = "detail"
SHUFFLED = "shuffled_weights"
"""The names of the controls among the methods."""

_SCORE_SEED = 6_180_339  # an unusual seed, since the data themselves may have been drawn with a usual one
_FINE_SIGMA, _COARSE_SIGMA = 2.0, 4.0  # pixels: detail is finer than the first; its energy is blurred by the second


def random_scores(count: int) -> Float[np.ndarray, " images"]:
    """Uniform scores in [0, 1). The same number of images always gives the same scores."""
    return np.random.default_rng(_SCORE_SEED).random(count)


def random_maps(seed: int, shape: tuple[int, int, int]) -> Float[np.ndarray, "faces height width"]:
    """Maps of shape (faces, height, width) that are uniform in [0, 1)."""
    return np.random.default_rng(seed).random(shape, np.float32)


def mean_maps(maps: Float[np.ndarray, "faces height width"]) -> Float[np.ndarray, "faces height width"]:
    """For each of two or more faces, the mean of the maps of all other faces."""
    total = maps.sum(0, dtype=np.float64)
    return ((total - maps) / (len(maps) - 1)).astype(np.float32)


def detail_maps(images: Shaped[np.ndarray, "faces height width 3"]) -> Float[np.ndarray, "faces height width"]:
    """The detail energy of each image, in [0, 1]: ``|x - blur(x)|``, blurred, relative to 255 grey levels."""
    from scipy.ndimage import gaussian_filter  # takes long to import

    pixels = images.astype(np.float32)
    detail = np.abs(pixels - gaussian_filter(pixels, (0, _FINE_SIGMA, _FINE_SIGMA, 0))).mean(-1)
    return gaussian_filter(detail, (0, _COARSE_SIGMA, _COARSE_SIGMA)) / 255
