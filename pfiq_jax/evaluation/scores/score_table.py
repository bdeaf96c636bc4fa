"""Quality scores that other tools wrote: one row a face, from CSV or Parquet."""

import csv
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pfiq_jax.errors import PfiqError


def read_scores(
    path: Path, faces: Sequence[Path], folder: Path, *, may_lack: Callable[[Path], bool] = lambda face: False
) -> dict[str, Float[np.ndarray, " faces"]]:
    """Every numeric column of a table, in the order of the faces.

    A column is numeric if all cells that are not empty are numbers. Rows of other faces do no harm.

    Args:
        path: a CSV file, or by its name's ending a Parquet file, with a column ``path``.
        faces: files whose scores are wanted.
        folder: relative paths in the table count from here, from the table's own folder, or from the current one.
        may_lack: tells faces that need no score, and get NaN where they have none.

    Raises:
        PfiqError: for a file that cannot be read, has no ``path`` or no numeric column, or names a face twice; and
            for a face that it does not name, or for which a cell is empty or not finite.
    """
    rows = _parquet_rows(path) if path.suffix.lower() in (".parquet", ".pq") else _csv_rows(path)
    if not rows or "path" not in rows[0]:
        raise PfiqError(f"{path}: has no column `path` with rows below it; name each face's file there.")
    columns = {name: [_number(row[name]) for row in rows] for name in rows[0] if name != "path"}
    numeric = {
        name: values
        for name, values in columns.items()
        if None not in values and not all(map(math.isnan, values))  # type: ignore[arg-type]
    }
    if not numeric:
        raise PfiqError(f"{path}: has no column of numbers; add the scores of a tool as one.")

    row_of: dict[str, int] = {}
    places = {os.path.abspath(face) for face in faces}
    for index, row in enumerate(rows):
        named = [os.path.abspath(base / row["path"]) for base in (folder, path.parent, Path())]
        for place in dict.fromkeys(place for place in named if place in places):
            if place in row_of:
                raise PfiqError(f"{path}: {row['path']} comes twice; keep one row a face.")
            row_of[place] = index

    table = np.full((len(faces), len(numeric)), np.nan)
    for face, out in zip(faces, table, strict=True):
        found = row_of.get(os.path.abspath(face))
        if found is not None:
            out[:] = [values[found] for values in numeric.values()]
        if not np.isfinite(out).all() and not may_lack(face):
            if found is None:
                raise PfiqError(f"{path}: has no row for {face}; score all faces of {folder}.")
            name = list(numeric)[int(np.argmin(np.isfinite(out)))]
            raise PfiqError(f"{path}: has no finite number for {face} in column {name}; score it, or drop the column.")
    return dict(zip(numeric, table.T, strict=True))


def _number(cell: str) -> float | None:
    """A cell's number, NaN if it is empty, None if it holds anything else."""
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        return None


def _csv_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file)
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise PfiqError(
                        f"{path}, line {reader.line_num}: has more or fewer cells than the first line; mend it."
                    )
                rows.append(row)
            return rows
    except OSError as error:
        raise PfiqError(f"{path}: cannot be read ({error.strerror}); give a CSV or Parquet file of scores.") from error
    except csv.Error as error:
        raise PfiqError(f"{path}: is not a CSV file ({error}); give a CSV or Parquet file of scores.") from error


def _parquet_rows(path: Path) -> list[dict[str, str]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise PfiqError(
            f"{path}: Parquet files need pyarrow; `pip install pfiq-jax[parquet]`, or give a CSV file."
        ) from error
    try:
        rows = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError) as error:
        raise PfiqError(f"{path}: cannot be read as Parquet; give a CSV or Parquet file of scores.") from error
    return [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in rows]
