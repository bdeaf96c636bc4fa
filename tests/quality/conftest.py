import numpy as np
import pytest
from scipy.ndimage import gaussian_filter


@pytest.fixture(params=["blur", "noise", "dark"])
def spoiled(request, faces) -> tuple[np.ndarray, np.ndarray]:
    """A face, and the same face spoiled."""
    face = faces["skimage/astronaut"].astype(np.float32)
    spoils = {
        "blur": lambda: gaussian_filter(face, (3, 3, 0)),
        "noise": lambda: np.clip(face + np.random.default_rng(0).normal(0, 60, face.shape), 0, 255),
        "dark": lambda: face * 0.05,
    }
    return face, spoils[request.param]()
