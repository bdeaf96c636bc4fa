"""From an image file to the aligned face that a recogniser takes."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.alignment import align_on_host, matrix_of
from pfiq_jax.faces.decoding import Picture
from pfiq_jax.faces.image_files import with_image
from pfiq_jax.faces.records import RGB, Box, Source
from pfiq_jax.faces.resampling import shrinkage, sources
from pfiq_jax.recognizers.preprocessing import Points

CUT = "cut off by the border of the image"
FACE = (0.554, 0.5), (0.393, 0.304)  # centre and half axes of the ellipse of a face, in heights and widths of its crop
LEAST_INSIDE = 0.9  # of this ellipse in a face that is not cut off
MOSTLY_OUTSIDE = "crop lies mostly outside the image, by its landmarks"
UPRIGHT = 60  # degrees up to which faces are turned in photographs that are upright
LARGEST_ZOOM = 8
NONE_USABLE = "none of the {} files has a face that can be used; give images of faces."
FIRST_FRAME = "first of several frames or pages; the others are not used"
ENLARGED = f"enlarged more than {LARGEST_ZOOM} times, by its landmarks"
TURNED = f"turned by more than {UPRIGHT} degrees, by its landmarks"


class Found(NamedTuple):
    """The position of a detected face, in pixels of the upright photograph, with (0, 0) the centre of the first one.

    Attributes:
        number: from 1, in the order of the detector's scores, highest first.
        box: left, top, width and height.
        landmarks: five (x, y), in the order of ``align``.
        score: score of the detector, 0 to 1; higher is more certain.
    """

    number: int
    box: Box
    landmarks: Points
    score: float

    @property
    def eye_distance(self) -> float:
        """Distance between the eyes in pixels."""
        return math.dist(*self.landmarks[:2])


class Face(NamedTuple):
    """A face as a recogniser takes it.

    Attributes:
        image: RGB, of the recogniser's size.
        resized: whether an image of another size was resized without alignment.
        warnings: other reasons why its score may be unreliable, such as ``MOSTLY_OUTSIDE``.
        found: its position in the photograph; None if no detector was used.
    """

    image: RGB
    resized: bool
    warnings: tuple[str, ...] = ()
    found: Found | None = None


ReadFaces = Callable[[Source], Sequence[Face | PfiqError]]
"""Returns at least one face of an image; an error replaces a face that cannot be used. Raises a PfiqError for an image
that cannot be read. Called from several threads."""


def read_face(
    source: Source,
    size: tuple[int, int],
    landmarks: Points | None = None,
    template: Points | None = None,
) -> Face:
    """The face in an image, aligned by its landmarks. Without landmarks the whole image is used, resized if necessary.

    Args:
        source: the image.
        size: height and width of the result.
        landmarks: five (x, y), in the order of ``align``.
        template: positions of the landmarks in the result; see ``align``.

    Raises:
        PfiqError: for an image that cannot be read, and for landmarks that are not those of a face.
    """

    def crop(image: RGB) -> Face:
        if landmarks is not None:
            with naming(source):
                return aligned(image, landmarks, size, template)
        if image.shape[:2] == size:
            return Face(image, resized=False)
        height, width = size
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)  # Pillow smooths first
        return Face(np.asarray(resized), resized=True)

    return with_image(source, lambda picture: with_frames(picture, crop(picture.pixels)))


def with_frames(picture: Picture, face: Face) -> Face:
    """The face, with a warning if its file has further frames or pages."""
    return face._replace(warnings=(*face.warnings, FIRST_FRAME)) if picture.has_more else face


@contextlib.contextmanager
def naming(source: Source) -> Iterator[None]:
    """Adds the name of an image to a PfiqError whose text is only the reason."""
    try:
        yield
    except PfiqError as error:
        raise PfiqError(f"{source}: {error}") from error


def aligned(
    image: RGB,
    landmarks: Points,
    size: tuple[int, int],
    template: Points | None,
) -> Face:
    """The face at some landmarks in an image, with warnings if its crop is unreliable.

    Raises:
        PfiqError: for landmarks that ``align`` refuses.
    """
    matrix = matrix_of(landmarks, image.shape[:2], size, template)
    crop = align_on_host(image, matrix, size)
    return Face(crop, resized=False, warnings=_warnings_about(matrix, image.shape[:2], size))


def _warnings_about(matrix: Float[np.ndarray, "2 3"], shape: tuple[int, ...], size: tuple[int, int]) -> tuple[str, ...]:
    x, y = sources(matrix, size)
    height, width = shape
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    is_outside = inside.mean() < 0.5
    places = (np.moveaxis(np.indices(size), 0, -1) + 0.5) / size
    is_face = (((places - FACE[0]) / FACE[1]) ** 2).sum(-1) <= 1
    reasons = {
        MOSTLY_OUTSIDE: is_outside,
        CUT: inside[is_face].mean() < LEAST_INSIDE and not is_outside,
        TURNED: abs(np.arctan2(matrix[1, 0], matrix[0, 0])) > np.radians(UPRIGHT),
        ENLARGED: shrinkage(matrix) * LARGEST_ZOOM < 1,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def faces_or_error(source: Source, read: ReadFaces) -> Sequence[Face | PfiqError]:
    """The faces in an image, or one error with the reason why it has none."""
    try:
        return read(source)
    except PfiqError as error:
        return [error]
    except Exception as error:  # whatever goes wrong with one file must not end the run
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        return [PfiqError(f"{source}: cannot be used ({reason}); give another file.")]


class Faces(NamedTuple):
    """Faces that could be read.

    Attributes:
        paths: their files.
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
        paths: the files.
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
        raise PfiqError(NONE_USABLE.format(len(paths)))
    return Faces(good, np.stack(images))
