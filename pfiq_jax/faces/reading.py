"""From an image file to the aligned face that a recogniser takes."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.alignment import align_on_host, matrix_of
from pfiq_jax.faces.image_files import with_image
from pfiq_jax.faces.resampling import shrinkage, sources
from pfiq_jax.recognizers.preprocessing import Points

MOSTLY_OUTSIDE = "crop lies mostly outside the image"
UPRIGHT = 60  # degrees up to which faces are turned in photographs that are upright
LARGEST_ZOOM = 8
ENLARGED = f"enlarged more than {LARGEST_ZOOM} times, by its landmarks"
TURNED = f"turned by more than {UPRIGHT} degrees, by its landmarks"


class Face(NamedTuple):
    """A face as a recogniser takes it.

    Attributes:
        image: RGB, of the recogniser's size.
        resized: whether an image of another size was resized without alignment.
        warnings: other reasons why its score may be unreliable, such as ``MOSTLY_OUTSIDE``.
    """

    image: UInt8[np.ndarray, "height width 3"]
    resized: bool
    warnings: tuple[str, ...] = ()


ReadFaces = Callable[[Path], list[Face]]
"""Returns the faces in a file, at least one, or raises PfiqError; called from several threads."""


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

    def crop(image: UInt8[np.ndarray, "height width 3"]) -> Face:
        if landmarks is not None:
            return _aligned(path, image, landmarks, size, template)
        if image.shape[:2] == size:
            return Face(image, resized=False)
        height, width = size
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)  # Pillow smooths first
        return Face(np.asarray(resized), resized=True)

    return with_image(path, crop)


def _aligned(
    path: Path,
    image: UInt8[np.ndarray, "height width 3"],
    landmarks: Mapping[str, Points],
    size: tuple[int, int],
    template: Points | None,
) -> Face:
    points = landmarks.get(os.path.abspath(path))
    if points is None:
        raise PfiqError(f"{path}: has no landmarks; add a row for it to the landmarks file.")
    try:
        matrix = matrix_of(points, image.shape[:2], size, template)
    except PfiqError as error:
        raise PfiqError(f"{path}: {error}") from error
    crop = align_on_host(image, matrix, size)
    return Face(crop, resized=False, warnings=_warnings_about(matrix, image.shape[:2], size))


def _warnings_about(matrix: Float[np.ndarray, "2 3"], shape: tuple[int, ...], size: tuple[int, int]) -> tuple[str, ...]:
    x, y = sources(matrix, size)
    height, width = shape
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    reasons = {
        MOSTLY_OUTSIDE: inside.mean() < 0.5,
        TURNED: abs(np.arctan2(matrix[1, 0], matrix[0, 0])) > np.radians(UPRIGHT),
        ENLARGED: shrinkage(matrix) * LARGEST_ZOOM < 1,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def faces_or_error(path: Path, read: ReadFaces) -> list[Face] | list[PfiqError]:
    """The faces in a file, or the only reason why it has none."""
    try:
        return read(path)
    except PfiqError as error:
        return [error]
    except Exception as error:  # whatever goes wrong with one file must not end the run
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        return [PfiqError(f"{path}: cannot be used ({reason}); give another file.")]


class Faces(NamedTuple):
    """Faces that could be read.

    Attributes:
        paths: of their files.
        images: RGB, 0..255.
    """

    paths: list[Path]
    images: UInt8[np.ndarray, "faces height width 3"]


def read_faces(
    paths: Sequence[Path],
    read: ReadFaces,
    *,
    note: Callable[[Path, Face | PfiqError], object] = lambda path, face: None,
) -> Faces:
    """The faces in files, without those that cannot be read.

    Args:
        paths: of the files.
        read: returns the faces in a file.
        note: called with the path of every face and the face, or with the reason why a file has none.

    Raises:
        PfiqError: if no face can be read.
    """
    good, images = [], []
    for path in paths:
        for face in faces_or_error(path, read):
            note(path, face)
            if isinstance(face, Face):
                good.append(path)
                images.append(face.image)
    if not images:
        raise PfiqError(f"none of the {len(paths)} faces can be read; give image files.")
    return Faces(good, np.stack(images))
