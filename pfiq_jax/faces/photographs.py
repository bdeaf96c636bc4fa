"""From a photograph to the aligned faces that a detector finds in it."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from pfiq_jax.detection import Detector, find_faces
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.decoding import Picture
from pfiq_jax.faces.image_files import with_image
from pfiq_jax.faces.landmarks import LANDMARK_COLUMNS
from pfiq_jax.faces.reading import Face, Found, aligned, naming, with_frames
from pfiq_jax.faces.records import RGB, Box, Source
from pfiq_jax.recognizers.preprocessing import Points

SMALLEST_EYE_DISTANCE = 40
NO_FACE = "no face was found; if it shows one, align it by its landmarks (`pfiq align --landmarks`)."
NO_FACE_IN_BOX = "no face was found where its box is; check that left,top,width,height are pixels of this image."
LEAST_OVERLAP = 0.3  # of a face's box with the given box: intersection over union
SMALL = f"fewer than {SMALLEST_EYE_DISTANCE} pixels between the eyes"

PLACE_COLUMNS = (
    *("face", "detector_score", "left", "top", "width", "height", "eye_distance"),
    *LANDMARK_COLUMNS,
)

Which = Literal["all", "largest", "centre"] | Box
"""Which faces of a photograph to use: all; the one with the largest box; the one nearest to the centre; or the one that
overlaps most with a given box."""

FindFaces = Callable[[RGB], list[Found]]
"""Returns the faces in a photograph of any size, best score first."""


def read_photograph(
    source: Source,
    find: FindFaces,
    size: tuple[int, int],
    *,
    which: Which,
    crops: bool,
    template: Points | None = None,
) -> list[Face | PfiqError]:
    """The faces in a photograph, aligned. A face that cannot be aligned is replaced by an error with the reason.

    Args:
        source: the photograph.
        find: the detector.
        size: height and width of the results.
        which: which of its faces to return; "all" are in the order of their scores, best first.
        crops: whether an image of this size is assumed to be an aligned face.
        template: positions of the landmarks in the results; see ``align``.

    Raises:
        PfiqError: for an image that cannot be read, and one without a face.
    """

    def use(picture: Picture) -> list[Face | PfiqError]:
        image = picture.pixels
        if crops and image.shape[:2] == size:
            return [with_frames(picture, Face(image, resized=False))]
        found = chosen(find(image), image.shape, which)
        if not found:
            raise PfiqError(f"{source}: {NO_FACE if isinstance(which, str) else NO_FACE_IN_BOX}")
        faces = [_face(source, image, each, size, template) for each in found]
        return [with_frames(picture, face) if isinstance(face, Face) else face for face in faces]

    return with_image(source, use)


def found_by(detector: Detector, photo: RGB) -> list[Found]:
    """The faces that a detector finds in a photograph of any size, best score first."""
    boxes, landmarks, scores, valid = (array[0].tolist() for array in find_faces(detector, [photo]))
    return [
        Found(number, tuple(box), tuple(map(tuple, points)), score)
        for number, (box, points, score) in enumerate(zip(boxes, landmarks, scores, strict=True), 1)
        if valid[number - 1]
    ]


def place_of(found: Found | None) -> dict[str, float | int | None]:
    """The position of a face in its photograph, by ``PLACE_COLUMNS``, in pixels; ``face`` is its number.

    All are None if no detector looked for the face.
    """
    if found is None:
        return dict.fromkeys(PLACE_COLUMNS)
    points = [coordinate for point in found.landmarks for coordinate in point]
    numbers = (found.number, found.score, *found.box, found.eye_distance, *points)
    return dict(zip(PLACE_COLUMNS, numbers, strict=True))


def chosen(found: list[Found], shape: tuple[int, ...], which: Which) -> list[Found]:
    """All faces, or the chosen one. Empty if there is none.

    Args:
        found: the faces in a photograph.
        shape: height and width of the photograph.
        which: as for ``read_photograph``.
    """
    if which == "all" or not found:
        return found
    if which == "largest":
        return [max(found, key=lambda each: each.box[2] * each.box[3])]
    if not isinstance(which, str):
        best = max(found, key=lambda each: overlap(each.box, which))
        return [best] if overlap(best.box, which) >= LEAST_OVERLAP else []
    height, width = shape[:2]

    def from_centre(each: Found) -> float:
        left, top, wide, high = each.box
        return float(np.hypot(left + wide / 2 - width / 2, top + high / 2 - height / 2))

    return [min(found, key=from_centre)]


def overlap(first: Box, second: Box) -> float:
    """The intersection of two boxes over their union, 0 to 1."""
    (left, top, width, height), (other_left, other_top, other_width, other_height) = first, second
    wide = min(left + width, other_left + other_width) - max(left, other_left)
    high = min(top + height, other_top + other_height) - max(top, other_top)
    common = max(wide, 0.0) * max(high, 0.0)
    union = width * height + other_width * other_height - common
    return common / union if union > 0 else 0.0


def _face(source: Source, image: RGB, found: Found, size: tuple[int, int], template: Points | None) -> Face | PfiqError:
    try:
        with naming(source):
            face = aligned(image, found.landmarks, size, template)
    except PfiqError as error:
        return error
    small = (SMALL,) if found.eye_distance < SMALLEST_EYE_DISTANCE else ()
    return face._replace(warnings=small + face.warnings, found=found)
