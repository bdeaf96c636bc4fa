"""Five landmarks per image: the check of their order, unit and position, and the reader of landmark tables."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.tables import numbers_in, read_table, rows_of_files, shown
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE, Points

LANDMARK_COLUMNS = tuple(f"{axis}{point}" for point in range(1, 6) for axis in "xy")  # x1, y1, ..., x5, y5
ORDER = "the person's right eye (left in the image), left eye, nose, right and left corner of the mouth"
MIN_FIT = 0.5  # of landmarks to the template: faces in photographs have at least 0.87, in profile 0.78
CLEARLY_BETTER = 0.02  # by how much another order must fit better than the given order

Five = Float[np.ndarray, "5 2"]


class Layout(NamedTuple):
    """An order of ten numbers that other programs write.

    Attributes:
        name: the name in words.
        in_order: puts the numbers into the order of this library.
    """

    name: str
    in_order: Callable[[Five], Five]


LAYOUTS = (
    Layout("x1,...,x5,y1,...,y5", lambda points: points.reshape(2, 5).T),
    Layout("y1,...,y5,x1,...,x5", lambda points: points.reshape(2, 5)[::-1].T),
    Layout("y1,x1,...,y5,x5", lambda points: points[:, ::-1]),
    Layout("left and right swapped", lambda points: points[[1, 0, 2, 4, 3]]),
    Layout("eyes swapped", lambda points: points[[1, 0, 2, 3, 4]]),
    Layout("corners of the mouth swapped", lambda points: points[[0, 1, 2, 4, 3]]),
    Layout("nose first", lambda points: points[[1, 2, 0, 3, 4]]),
    Layout("nose last", lambda points: points[[0, 1, 4, 2, 3]]),
    Layout("mouth before the eyes", lambda points: points[[3, 4, 2, 0, 1]]),
    Layout("clockwise, nose last", lambda points: points[[0, 1, 4, 3, 2]]),
    Layout("x1,...,x5,y1,...,y5 with left and right swapped", lambda points: points.reshape(2, 5).T[[1, 0, 2, 4, 3]]),
)


def check_landmarks(landmarks: Sequence[Sequence[float]] | np.ndarray, size: tuple[int, ...]) -> Five:
    """The five points of a face, checked for their unit, their position and their order.

    Landmarks of a face that is turned by 90 or 180 degrees are accepted. So are points outside the image whose mean is
    inside, since detectors find faces that the border cuts. Some wrong orders look the same.

    Args:
        landmarks: five (x, y), in pixels, in the order of ``ARCFACE_TEMPLATE``.
        size: height and width of the image.

    Raises:
        PfiqError: for landmarks that are not five finite points, that lie within one pixel, whose mean lies outside the
            image, or that are not placed like those of a face. The message states the likely cause.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        what = "missing or not finite" if points.shape == (5, 2) else f"an array of shape {points.shape}"
        raise PfiqError(f"landmarks are {what}; give five (x, y) points in pixels of the image.")
    if np.ptp(points, axis=0).max() <= 1 or np.abs(points).max() <= 1:
        raise PfiqError("landmarks lie within one pixel; give pixels of the image, not fractions of its size.")
    fit = _fit(points)
    layout = _better_layout(points, fit)
    if layout or abs(fit) < MIN_FIT:
        likely = f" (likely order: {layout.name})" if layout else ""
        raise PfiqError(f"landmarks are not placed like those of a face{likely}; give x1,y1,...,x5,y5 of {ORDER}.")
    height, width = size
    middle = points.mean(0)
    if (middle < -0.5).any() or (middle > np.array((width, height)) - 0.5).any():
        raise PfiqError(
            f"landmarks lie outside the image ({width}x{height} pixels) and may belong to a larger copy of it; give "
            "pixels of this image."
        )
    return points


def _better_layout(points: Five, fit: complex) -> Layout | None:
    """The layout of another program that explains the points clearly better, if there is one."""
    fits = [_fit(layout.in_order(points)) for layout in LAYOUTS]
    better = [index for index, each in enumerate(fits) if abs(each) > max(abs(fit) + CLEARLY_BETTER, MIN_FIT)]
    return LAYOUTS[max(better, key=lambda index: fits[index].real)] if better else None  # the most upright one


def _fit(points: Five) -> complex:
    """The correlation with the template, as complex numbers; 0 for points that cannot be a face.

    Its absolute value, 0 to 1, is that of the best similarity transform. Its angle is the rotation of the face.

    Points can be a face if three conditions hold: eyes and mouth have the same direction, from the eyes one turns right
    to the mouth, and the nose lies between eyes and mouth along the axis of the face.
    """
    source = np.clip(points, -1e9, 1e9) @ (1, 1j)
    right_eye, left_eye, nose, right_mouth, left_mouth = source
    across, down = left_eye - right_eye, (right_mouth + left_mouth - right_eye - left_eye) / 2
    along = np.conj(down) * (nose - (right_eye + left_eye) / 2)
    if not (
        (np.conj(across) * (left_mouth - right_mouth)).real > 0
        and (np.conj(across) * down).imag > 0
        and 0 < along.real < abs(down) ** 2
    ):
        return 0j
    target = np.asarray(ARCFACE_TEMPLATE) @ (1, 1j)
    source, target = source - source.mean(), target - target.mean()
    return complex(np.vdot(source, target) / (np.linalg.norm(source) * np.linalg.norm(target)))


def read_landmarks(path: Path, images: Sequence[Path], folders: Sequence[Path] = ()) -> dict[str, Points]:
    """Landmarks of images, from a table with the columns path, x1, y1, ..., x5, y5 and any other columns.

    Coordinates are pixels of the upright image, in the order of ``ARCFACE_TEMPLATE``.

    Args:
        path: a CSV or Parquet file.
        images: the images to find landmarks for; rows of other images are ignored.
        folders: folders that paths in the table may be relative to, as well as the current folder and the table's.

    Returns:
        Five points by absolute path. They are NaN in a row without numbers, in which no face was detected.

    Raises:
        PfiqError: for a file that cannot be read, lacks a column, lists an image twice, or contains cells that are
            not numbers.
    """
    table = read_table(path, "landmarks", wanted=lambda name: name.lower() in LANDMARK_COLUMNS)
    table.check_columns(LANDMARK_COLUMNS)
    columns = [table.column(name) for name in LANDMARK_COLUMNS]
    rows = rows_of_files(table, images, (Path(), path.parent, *folders))
    found: dict[str, Points] = {}
    for image, row in rows.items():
        found[image] = parse_landmarks([column[row] for column in columns], table.place(row), table.decimal_comma)
    return found


def parse_landmarks(numbers: Sequence[str], source: str, decimal_comma: bool = False) -> Points:
    """Five points from ten numbers as text; NaN where a number is missing.

    Args:
        numbers: x1, y1, ..., x5, y5.
        source: origin of the numbers, for error messages.
        decimal_comma: whether 0,5 is a number.

    Raises:
        PfiqError: for anything but ten numbers.
    """
    values = numbers_in(numbers, decimal_comma)
    if len(values) != 10 or None in values:
        raise PfiqError(f"{source}: {shown(','.join(numbers))} is not ten numbers; give {','.join(LANDMARK_COLUMNS)}.")
    array = np.array(values, np.float64).reshape(5, 2)
    return tuple((float(x), float(y)) for x, y in array)
