"""From an image file to the aligned face that a recogniser wants."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.alignment import align
from pfiq_jax.faces.image_files import read_image
from pfiq_jax.recognizers.preprocessing import Points

LANDMARK_COLUMNS = tuple(f"{axis}{point}" for point in range(1, 6) for axis in "xy")  # x1, y1, ..., x5, y5


class Face(NamedTuple):
    """A face as the recogniser wants it.

    Attributes:
        image: RGB, of the recogniser's size.
        squeezed: whether an image of another size was resized without knowing where the face lies.
    """

    image: UInt8[np.ndarray, "height width 3"]
    squeezed: bool


def read_face(
    path: Path,
    size: tuple[int, int],
    landmarks: Mapping[str, Points] | None = None,
    template: Points | None = None,
) -> Face:
    """The face in an image file: aligned by its landmarks; without any, as it is or else resized.

    Args:
        path: the image.
        size: height and width wanted.
        landmarks: five points of every image, by absolute path, as ``read_landmarks`` gives them.
        template: where they come to lie; see ``align``.

    Raises:
        PfiqError: for an image that cannot be read, and for landmarks that are missing or not a face's.
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


def read_landmarks(path: Path) -> dict[str, Points]:
    """Landmarks of many images from a CSV file with the columns path, x1, y1, ..., x5, y5 and any others.

    Coordinates are pixels of the upright image, in the order of ``ARCFACE_TEMPLATE``. A relative path counts from the
    current folder or from the CSV file's.

    Returns:
        Five points by absolute path.

    Raises:
        PfiqError: for a file that cannot be read, lacks a column, names an image twice, or holds other than numbers.
    """
    table: dict[str, Points] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in ("path", *LANDMARK_COLUMNS) if name not in (rows.fieldnames or ())]:
                raise PfiqError(f"{path}: lacks the columns {', '.join(missing)}; name them in its first line.")
            for row in rows:
                if None in row or None in row.values():
                    raise PfiqError(
                        f"{path}, line {rows.line_num}: has more or fewer cells than the first line; mend it."
                    )
                points = parse_landmarks([row[name] for name in LANDMARK_COLUMNS], f"{path}, line {rows.line_num}")
                places = {os.path.abspath(row["path"]), os.path.abspath(path.parent / row["path"])}
                if places & table.keys():
                    raise PfiqError(f"{path}, line {rows.line_num}: {row['path']} comes twice; keep one face an image.")
                table |= dict.fromkeys(places, points)
    except OSError as error:
        raise PfiqError(f"{path}: cannot be read ({error.strerror}); give a CSV file of landmarks.") from error
    except csv.Error as error:
        raise PfiqError(f"{path}: is not a CSV file ({error}); give a CSV file of landmarks.") from error
    return table


def parse_landmarks(numbers: Sequence[str], source: str) -> Points:
    """Five points from ten numbers as text.

    Raises:
        PfiqError: for anything but ten numbers; ``source`` says where they stand.
    """
    try:
        values = np.array(numbers, np.float64).reshape(5, 2)
    except ValueError as error:
        raise PfiqError(
            f"{source}: {','.join(numbers)} are not ten numbers; give {','.join(LANDMARK_COLUMNS)}."
        ) from error
    return tuple((float(x), float(y)) for x, y in values)
