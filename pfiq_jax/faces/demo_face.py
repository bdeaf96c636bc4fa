"""The face that is bundled with the library."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pfiq_jax.faces.image_files import read_image

DEMO_FACE = Path(__file__).parents[1] / "bundled" / "demo_face.png"
"""The astronaut Eileen Collins, by NASA; in the public domain."""


def demo_face() -> UInt8[np.ndarray, "112 112 3"]:
    """The bundled demo face, RGB, 0..255, aligned for the bundled network; for examples and first experiments.

    It shows the astronaut Eileen Collins, by NASA, and is in the public domain.

    Example:
        >>> pfiq_jax.demo_face().shape
        (112, 112, 3)
    """
    return read_image(DEMO_FACE)
