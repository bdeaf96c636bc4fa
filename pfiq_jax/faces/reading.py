"""From an image file to the aligned face that a recogniser takes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.alignment import align
from pfiq_jax.faces.image_files import read_image
from pfiq_jax.recognizers.preprocessing import Points


class Face(NamedTuple):
    """A face as a recogniser takes it.

    Attributes:
        image: RGB, of the recogniser's size.
        squeezed: whether an image of another size was resized without alignment.
    """

    image: UInt8[np.ndarray, "height width 3"]
    squeezed: bool


def read_face(
    path: Path,
    size: tuple[int, int],
    landmarks: Mapping[str, Points] | None = None,
    template: Points | None = None,
) -> Face:
    """The face in an image file: aligned by its landmarks. Without landmarks it is used as it is, or resized.

    Args:
        path: the image.
        size: height and width of the result.
        landmarks: five points per image, by absolute path, as ``read_landmarks`` returns them.
        template: where they lie in the result; see ``align``.

    Raises:
        PfiqError: for an image that cannot be read, and for landmarks that are missing or not those of a face.
    """
    image = read_image(path)
    if landmarks is not None:
        points = landmarks.get(os.path.abspath(path))
        if points is None:
            raise PfiqError(f"{path}: has no landmarks; add a row for it to the landmarks file.")
        try:
            return Face(align(image, points, size=size, template=template), squeezed=False)
        except PfiqError as error:
            raise PfiqError(f"{path}: {error}") from error
    if image.shape[:2] == size:
        return Face(image, squeezed=False)
    height, width = size
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)  # Pillow smooths first
    return Face(np.asarray(resized), squeezed=True)
