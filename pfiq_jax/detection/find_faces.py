"""Faces in photographs of any size, each shrunk, padded and turned as the detector requires."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pfiq_jax.detection.detect import LONGEST, THRESHOLD, detect_in_squares, enlarged, fitted
from pfiq_jax.detection.detector import Detector
from pfiq_jax.detection.suppression import MAX_FACES, Faces
from pfiq_jax.detection.yunet import MULTIPLE
from pfiq_jax.errors import PfiqError, check_share
from pfiq_jax.images import check_images

SIDES = (LONGEST // 2, LONGEST)
"""Sides, in pixels, of the squares that photographs are put into. Each size compiles once."""
DOUBTFUL = 0.92
"""A photograph whose best score is below this is also tried in other orientations. YuNet finds half of all faces that
lie on their side, and nearly all that are upside down, with scores of 0.6 to 0.91 and landmarks in wrong places. Of
upright faces in good photographs, 17% have less than 0.92."""
GAIN = 0.02
"""By how much the best score of a turned photograph must exceed that of the original orientation."""
ACCELERATOR_BATCH_SIZE = 16


def find_faces(detector: Detector, photos: Sequence[np.ndarray], *, threshold: float = THRESHOLD) -> Faces:
    """The faces in photographs of any size, also in those that lie on a side, best score first.

    A photograph with a side of more than 640 pixels is shrunk, by averages of its pixels. Every photograph is put into
    a square of 320 or 640 pixels, so that only two programs are compiled. The result does not depend on the size of the
    square. If the best score is below 0.92, the photograph is also tried in the three other orientations. The best of
    them is used if its score is higher by more than 0.02. Positions refer to the photograph as it was given.

    YuNet underestimates how far a head is tilted: most of a tilt of 20 degrees is left after alignment by its landmarks
    (``benchmarks/results/detection.md``).

    Args:
        detector: from ``load_detector``.
        photos: RGB, uint8, each (height, width, 3), of any size. Each takes 1.2 MB of memory in addition.
        threshold: score in (0, 1) that a face must exceed.

    Returns:
        ``Faces`` as NumPy arrays: ``boxes`` (photos, 64, 4), ``landmarks`` (photos, 64, 5, 2), ``scores`` (photos, 64)
        in [0, 1], higher is better, and ``valid`` (photos, 64). Positions are in pixels of each photograph, with
        (0, 0) the centre of its first pixel. If a photograph shows no face, none is valid.

    Raises:
        PfiqError: for photographs of another shape or dtype.

    Example:
        >>> photo = np.pad(face, ((40, 40), (40, 40), (0, 0)))
        >>> faces = pfiq_jax.find_faces(pfiq_jax.load_detector(), [photo])
        >>> crops = pfiq_jax.align(photo, faces.landmarks[0][faces.valid[0]])
        >>> crops.shape
        (1, 112, 112, 3)
    """
    threshold = check_share("threshold", threshold)
    shrunk = [_shrunk(photo) for photo in photos]
    found = _detect_all(detector, shrunk, threshold)
    doubtful = np.flatnonzero(found.scores[:, 0] < DOUBTFUL)
    to_exceed = found.scores[doubtful, 0] + GAIN
    for turns in (1, 2, 3):
        turned = _detect_all(detector, [np.rot90(shrunk[index], turns) for index in doubtful], threshold)
        for row in np.flatnonzero(turned.scores[:, 0] > to_exceed):
            to_exceed[row] = turned.scores[row, 0]
            faces = _turned_back(_row(turned, row), turns, shrunk[doubtful[row]].shape[:2])
            _set_row(found, doubtful[row], faces)
    for index, (photo, small) in enumerate(zip(photos, shrunk, strict=True)):
        down, across = (long / short for long, short in zip(photo.shape[:2], small.shape[:2], strict=True))
        _set_row(found, index, enlarged(_row(found, index), across, down))
    return found


def _shrunk(photo: np.ndarray) -> UInt8[np.ndarray, "rows columns 3"]:
    check_images(photo, None)
    if photo.ndim != 3 or photo.dtype != np.uint8:
        raise PfiqError(
            f"a photograph has shape {photo.shape} and dtype {photo.dtype}; give uint8 pixels of shape "
            "(height, width, 3)."
        )
    height, width = fitted(photo.shape[:2])
    if (height, width) == photo.shape[:2]:
        return photo
    image = Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(image)


def _detect_all(detector: Detector, photos: Sequence[np.ndarray], threshold: float) -> Faces:
    """Faces in photographs whose sides are at most 640 pixels, as arrays that can be written to."""
    number = len(photos)
    found = Faces(
        np.zeros((number, MAX_FACES, 4), np.float32),
        np.zeros((number, MAX_FACES, 5, 2), np.float32),
        np.zeros((number, MAX_FACES), np.float32),
        np.zeros((number, MAX_FACES), bool),
    )
    size = 1 if jax.default_backend() == "cpu" else ACCELERATOR_BATCH_SIZE  # larger batches are not faster on CPUs
    sides = np.array([next(side for side in SIDES if max(photo.shape) <= side) for photo in photos])
    for side in SIDES:
        members = np.flatnonzero(sides == side)
        for start in range(0, len(members), size):
            group = members[start : start + size]
            squares, sizes = np.zeros((size, side, side, 3), np.uint8), np.zeros((size, 2), np.int32)
            for row, index in enumerate(group):
                height, width = photos[index].shape[:2]
                squares[row, :height, :width] = photos[index]
                sizes[row] = height + -height % MULTIPLE, width + -width % MULTIPLE
            faces = jax.device_get(detect_in_squares(detector, jnp.asarray(squares), jnp.asarray(sizes), threshold))
            for row, index in enumerate(group):
                _set_row(found, index, _row(faces, row))
    return found


def _row(faces: Faces, index: int | np.integer) -> Faces:
    return Faces(*(array[index] for array in faces))


def _set_row(faces: Faces, index: int | np.integer, row: Faces) -> None:
    for array, values in zip(faces, row, strict=True):
        array[index] = values


def _turned_back(faces: Faces, turns: int, size: tuple[int, ...]) -> Faces:
    """Faces in a photograph that was turned by ``np.rot90``, in pixels of the original photograph.

    Args:
        faces: faces of the turned photograph.
        turns: number of quarter turns to the left.
        size: height and width of the original photograph.
    """
    last = np.array(size[::-1], np.float32) - 1  # the centre of the last pixel

    def back(points: Any) -> np.ndarray:
        x, y = points[..., 0], points[..., 1]
        across, down = {1: (last[0] - y, x), 2: (last[0] - x, last[1] - y), 3: (y, last[1] - x)}[turns]
        return np.stack([across, down], -1)

    corners = np.stack([back(faces.boxes[:, :2]), back(faces.boxes[:, :2] + faces.boxes[:, 2:])])
    boxes = np.concatenate([corners.min(0), np.ptp(corners, 0)], -1)
    valid = faces.valid
    return Faces(boxes * valid[:, None], back(faces.landmarks) * valid[:, None, None], faces.scores, valid)
