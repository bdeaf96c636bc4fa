from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfiq_jax import Detector, load_detector


@pytest.fixture(scope="session")
def detector() -> Detector:
    return load_detector()


@pytest.fixture(scope="session")
def photos(data: Path) -> dict[str, np.ndarray]:
    """Photographs of 250x250 pixels, RGB, by the names of their files."""
    paths = sorted((data / "lfw_photos").glob("*.jpg"))
    return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in paths}
