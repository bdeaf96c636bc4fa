"""Faces in photographs of one size, in one compiled program."""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.detection.detector import Detector
from pfiq_jax.detection.suppression import Faces, decode, suppress
from pfiq_jax.detection.yunet import MULTIPLE
from pfiq_jax.errors import PfiqError, check_share
from pfiq_jax.images import check_images

THRESHOLD = 0.6
"""Score that a face exceeds by default, as in OpenCV's programs for these weights."""
LONGEST = 640
"""Length of the longer side, in pixels, to which larger photographs are shrunk."""


def detect(detector: Detector, photos: ArrayLike, *, threshold: float = THRESHOLD) -> Faces:
    """The faces in one photograph or a batch of equal size, with five landmarks each, best score first.

    Photographs with a side of more than 640 pixels are shrunk first, since YuNet was trained on faces of about 10 to
    300 pixels. Others are computed as they are, with zeros added on the right and below, as OpenCV does. Each size
    and batch size compiles once.

    Gradients are 0: neither pixels nor parameters get any. Under ``jax.jit`` the range of the pixels is not checked.

    Args:
        detector: from ``load_detector``.
        photos: RGB, 0..255, uint8 or float, (height, width, 3) or (batch, height, width, 3).
        threshold: score in (0, 1) that a face exceeds.

    Returns:
        ``Faces`` with ``boxes`` (batch, 64, 4), ``landmarks`` (batch, 64, 5, 2), ``scores`` (batch, 64) and ``valid``
        (batch, 64); without the axis ``batch`` for one photograph. Positions are in pixels of the photograph, scores
        in [0, 1], higher is better. A photograph without a face has no valid one.

    Raises:
        PfiqError: for photographs of another shape or dtype, and where the values can be seen, of another range.

    Example:
        >>> faces = detect(load_detector(), photo)
        >>> crop = align(photo, faces.landmarks[0])
    """
    if not isinstance(detector, Detector):
        raise PfiqError(f"{type(detector).__name__} is in the place of the detector; give (detector, photos).")
    images = jnp.asarray(check_images(photos, None))
    if images.ndim == 4:
        return _detect(detector, images, check_share("threshold", threshold))
    return jax.tree.map(lambda leaf: leaf[0], _detect(detector, images[None], check_share("threshold", threshold)))


@functools.partial(jax.jit, static_argnames="threshold")
def _detect(detector: Detector, photos: Array, threshold: float) -> Faces:
    detector, pixels = jax.lax.stop_gradient((detector, photos.astype(jnp.float32)))
    height, width = photos.shape[1:3]
    size = fitted((height, width))
    if size != (height, width):
        shape = (len(photos), *size, 3)
        pixels = jax.image.resize(pixels, shape, "linear", antialias=True, precision=jax.lax.Precision.HIGHEST)
    rows, columns = (-side % MULTIPLE for side in size)
    outputs = detector.outputs(jnp.pad(pixels, ((0, 0), (0, rows), (0, columns), (0, 0))))
    faces = suppress(decode(outputs, (size[0] + rows, size[1] + columns)), threshold)
    return enlarged(faces, jnp.asarray((width / size[1], height / size[0]), jnp.float32))


def fitted(size: tuple[int, int], longest: int = LONGEST) -> tuple[int, int]:
    """Height and width of a photograph after its longer side is shrunk to ``longest``, if it is longer."""
    scale = min(1.0, longest / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def enlarged(faces: Faces, scale: Float[Array, " 2"]) -> Faces:
    """Faces in a shrunk photograph, in pixels of the photograph.

    Args:
        faces: in pixels of the shrunk photograph.
        scale: of x and y, at least 1.
    """

    def at(points: Float[Array, "... 2"]) -> Float[Array, "... 2"]:  # the centre of the first pixel is (0, 0)
        factor = jnp.expand_dims(scale, range(points.ndim - 1))
        return (points + 0.5) * factor - 0.5

    places, sizes = faces.boxes[..., :2], faces.boxes[..., 2:]
    boxes = jnp.concatenate([at(places), sizes * jnp.expand_dims(scale, range(sizes.ndim - 1))], -1)
    return Faces(
        jnp.where(faces.valid[..., None], boxes, 0),
        jnp.where(faces.valid[..., None, None], at(faces.landmarks), 0),
        faces.scores,
        faces.valid,
    )
