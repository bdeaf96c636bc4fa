"""Controls of the evaluations: scores and maps that do not depend on the faces."""

import numpy as np
from jaxtyping import Float

RANDOM = "random"
"""The name of the control among the methods."""

_SCORE_SEED = 6_180_339  # an unusual one: the data themselves may have been drawn with a usual one


def random_scores(count: int) -> Float[np.ndarray, " images"]:
    """Scores that are uniform in [0, 1), and the same whenever there are as many images."""
    return np.random.default_rng(_SCORE_SEED).random(count)


def random_maps(seed: int, shape: tuple[int, int, int]) -> Float[np.ndarray, "faces height width"]:
    """Maps of shape (faces, height, width) that are uniform in [0, 1)."""
    return np.random.default_rng(seed).random(shape, np.float32)
