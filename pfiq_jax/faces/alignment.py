"""From five landmarks to an aligned crop, as face recognition networks are trained on."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from pfiq_jax.faces.landmarks import check_landmarks
from pfiq_jax.recognizers.preprocessing import template_for


def align(
    image: UInt8[np.ndarray, "height width 3"],
    landmarks: Sequence[Sequence[float]] | np.ndarray,
    *,
    size: tuple[int, int] = (112, 112),
    template: Sequence[Sequence[float]] | None = None,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """The face, rotated, scaled and shifted so that its landmarks lie on a template.

    This applies the least-squares similarity (Umeyama 1991, without reflection) with bilinear interpolation. Pixels
    outside the image are black. The networks were trained on the output of ``cv2.warpAffine``, which differs only by
    rounding coordinates to 1/32 pixel. As in OpenCV, the image is not smoothed first, so a face much larger than the
    crop shows aliasing.

    Args:
        image: RGB, any height and width.
        landmarks: five (x, y) in pixels of the image, with (0, 0) the centre of the first pixel: the person's right
            eye (left in the image), left eye, tip of the nose, right and left corner of the mouth.
        size: height and width of the crop.
        template: five (x, y) in pixels of the crop, in the same order. By default ArcFace's, scaled to the crop.

    Returns:
        The crop, RGB.

    Raises:
        PfiqError: for landmarks that are not five finite points, that lie within one pixel or outside the image, and
            that are not placed like those of a face.
    """
    from scipy.ndimage import map_coordinates  # slow to import

    x, y = sources(image.shape[:2], landmarks, size, template)
    channels = [
        map_coordinates(channel, (y, x), np.float32, order=1, mode="grid-constant")
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.rint(np.stack(channels, -1)).astype(np.uint8)


def sources(
    shape: tuple[int, ...],
    landmarks: Sequence[Sequence[float]] | np.ndarray,
    size: tuple[int, int],
    template: Sequence[Sequence[float]] | None = None,
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    """Where each pixel of an aligned crop comes from: x and y in pixels of the image.

    Args:
        shape: height and width of the image.
        landmarks: as for ``align``.
        size: as for ``align``.
        template: as for ``align``.

    Raises:
        PfiqError: as ``align``.
    """
    points = check_landmarks(landmarks, shape)
    height, width = size
    places = np.asarray(template_for(size) if template is None else template)

    # With points as complex numbers, every similarity without reflection is z -> a z + b.
    source, target = points @ (1, 1j), places @ (1, 1j)
    centred, wanted = source - source.mean(), target - target.mean()
    a = np.vdot(centred, wanted) / np.linalg.norm(centred) ** 2

    x, y = np.meshgrid(np.arange(width), np.arange(height))
    z = (x + 1j * y - target.mean()) / a + source.mean()
    return z.real, z.imag
