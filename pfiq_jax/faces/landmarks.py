"""Five landmarks per image, from a table or from ten numbers."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.tables import read_table
from pfiq_jax.recognizers.preprocessing import Points

LANDMARK_COLUMNS = tuple(f"{axis}{point}" for point in range(1, 6) for axis in "xy")  # x1, y1, ..., x5, y5


def read_landmarks(path: Path) -> dict[str, Points]:
    """Landmarks of many images, from a CSV or Parquet file with the columns path, x1, y1, ..., x5, y5 and any others.

    Coordinates are pixels of the upright image, in the order of ``ARCFACE_TEMPLATE``. A relative path counts from the
    current folder or from the table's.

    Returns:
        Five points by absolute path.

    Raises:
        PfiqError: for a file that cannot be read, lacks a column, names an image twice, or contains cells that are
            not numbers.
    """
    columns, rows = read_table(path, "landmarks")
    if missing := [name for name in ("path", *LANDMARK_COLUMNS) if name not in columns]:
        raise PfiqError(f"{path}: lacks the columns {', '.join(missing)}; name them in its first line.")
    table: dict[str, Points] = {}
    for place, cells in rows:
        points = parse_landmarks([cells[name] for name in LANDMARK_COLUMNS], place)
        images = {os.path.abspath(cells["path"]), os.path.abspath(path.parent / cells["path"])}
        if images & table.keys():
            raise PfiqError(f"{place}: {cells['path']} comes twice; keep one face per image.")
        table |= dict.fromkeys(images, points)
    return table


def parse_landmarks(numbers: Sequence[str], source: str) -> Points:
    """Five points from ten numbers as text.

    Args:
        numbers: x1, y1, ..., x5, y5.
        source: where they come from, for error messages.

    Raises:
        PfiqError: for anything but ten numbers.
    """
    try:
        values = np.array(numbers, np.float64).reshape(5, 2)
    except ValueError as error:
        raise PfiqError(
            f"{source}: {','.join(numbers)} are not ten numbers; give {','.join(LANDMARK_COLUMNS)}."
        ) from error
    return tuple((float(x), float(y)) for x, y in values)
