"""Faces in photographs of one size, in one compiled program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Num

from pfiq_jax.detection.detector import Detector
from pfiq_jax.detection.suppression import Faces, decode, suppress
from pfiq_jax.detection.yunet import MULTIPLE
from pfiq_jax.errors import PfiqError, check_share
from pfiq_jax.images import check_images

THRESHOLD = 0.6
"""Default of the score that a face must exceed, as in OpenCV's code for these weights."""
LONGEST = 640
"""Length of the longer side, in pixels, to which larger photographs are shrunk."""


def detect(detector: Detector, photos: ArrayLike, *, threshold: float = THRESHOLD) -> Faces:
    """The faces in one photograph or a batch of equal size, with five landmarks each, best score first.

    Photographs with a side of more than 640 pixels are shrunk first, since YuNet was trained on faces of about 10 to
    300 pixels. Smaller photographs are not resized. They are padded with zeros on the right and at the bottom, as in
    OpenCV. The function is compiled once per size and batch size. ``find_faces`` takes photographs of many sizes and
    compiles only two programs.

    All gradients are 0, both by pixels and by parameters. Under ``jax.jit`` the range of the pixels is not checked.

    Args:
        detector: from ``load_detector``.
        photos: RGB, 0..255, uint8 or float, (height, width, 3) or (batch, height, width, 3).
        threshold: score in (0, 1) that a face must exceed.

    Returns:
        ``Faces`` with ``boxes`` (batch, 64, 4), ``landmarks`` (batch, 64, 5, 2), ``scores`` (batch, 64) and ``valid``
        (batch, 64); without the axis ``batch`` for one photograph. Positions are in pixels of the photograph, scores
        in [0, 1], higher is better. If a photograph shows no face, none is valid.

    Raises:
        PfiqError: for photographs of another shape or dtype, and where the values can be seen, of another range.

    Example:
        >>> photo = np.pad(face, ((40, 40), (40, 40), (0, 0)))
        >>> faces = pfiq_jax.detect(pfiq_jax.load_detector(), photo)
        >>> int(faces.valid.sum()), faces.boxes[0].round().tolist()  # left, top, width, height
        (1, [62.0, 63.0, 75.0, 90.0])
    """
    if not isinstance(detector, Detector):
        raise PfiqError(f"detector: is of type {type(detector).__name__}; give (detector, photos), in this order.")
    images = jnp.asarray(check_images(photos, None))
    least = jnp.float32(check_share("threshold", threshold))
    if images.ndim == 4:
        return _detect(detector, images, least)
    return jax.tree.map(lambda leaf: leaf[0], _detect(detector, images[None], least))


@jax.jit
def _detect(detector: Detector, photos: Array, threshold: Float[Array, ""]) -> Faces:
    detector, pixels = jax.lax.stop_gradient((detector, photos.astype(jnp.float32)))
    height, width = photos.shape[1:3]
    size = fitted((height, width))
    if size != (height, width):
        shape = (photos.shape[0], *size, 3)
        pixels = jax.image.resize(pixels, shape, "linear", antialias=True, precision=jax.lax.Precision.HIGHEST)
    rows, columns = (-side % MULTIPLE for side in size)
    faces = _faces_in(detector, jnp.pad(pixels, ((0, 0), (0, rows), (0, columns), (0, 0))), threshold)
    return enlarged(faces, width / size[1], height / size[0])


@jax.jit
def detect_in_squares(
    detector: Detector,
    squares: Num[Array, "batch side side 3"],
    sizes: Int[Array, "batch 2"],
    threshold: float | Float[Array, ""],
) -> Faces:
    """The faces in photographs that lie at the top left of squares of zeros, as ``detect`` finds them.

    Args:
        detector: from ``load_detector``.
        squares: RGB, 0..255; the side is a multiple of 32.
        sizes: height and width of each photograph, rounded up to multiples of 32.
        threshold: score in (0, 1) that a face must exceed.
    """
    return _faces_in(detector, squares.astype(jnp.float32), threshold, sizes)


def _faces_in(
    detector: Detector,
    padded: Float[Array, "batch height width 3"],
    threshold: float | Array,
    sizes: Int[Array, "batch 2"] | None = None,
) -> Faces:
    height, width = padded.shape[1:3]
    return suppress(decode(detector.outputs(padded, sizes), (height, width)), threshold)


def fitted(size: tuple[int, int], longest: int = LONGEST) -> tuple[int, int]:
    """Height and width of a photograph after its longer side is shrunk to ``longest``, if it is longer."""
    scale = min(1.0, longest / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def enlarged(faces: Faces, across: float, down: float) -> Faces:
    """Faces in a shrunk photograph, in pixels of the original photograph. Works on arrays of JAX and of NumPy.

    Args:
        faces: in pixels of the shrunk photograph.
        across: width of the original photograph, divided by that of the shrunk one.
        down: the same for the heights.
    """
    scale = np.array([across, down], np.float32)
    shift = (scale - 1) / 2  # the centre of the first pixel is (0, 0)
    valid = faces.valid.astype(np.float32)[..., None]

    def at(numbers: Any, factor: np.ndarray, offset: np.ndarray, valid: Any) -> Any:
        factor, offset = (np.expand_dims(each, tuple(range(numbers.ndim - 1))) for each in (factor, offset))
        return numbers * factor + offset * valid

    boxes = at(faces.boxes, np.tile(scale, 2), np.append(shift, np.zeros_like(shift)), valid)
    return faces._replace(boxes=boxes, landmarks=at(faces.landmarks, scale, shift, valid[..., None]))
