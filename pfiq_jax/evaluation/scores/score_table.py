"""Quality scores from other tools: one row per face, from CSV or Parquet files."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.tables import Row, Table, read_table


def read_scores(
    path: Path, faces: Sequence[Path], folder: Path, *, may_lack: Callable[[Path], bool] = lambda face: False
) -> dict[str, Float[np.ndarray, " faces"]]:
    """Every numeric column of a table, in the order of the faces.

    A column is numeric if all its cells that are not empty are numbers. Rows of other files are ignored.

    Args:
        path: a CSV or Parquet file with a column ``path``.
        faces: the files to find scores for.
        folder: relative paths in the table may be relative to this folder, to the table's own folder or to the current
            one.
        may_lack: whether a face may lack a score, which is then NaN; called only for faces that lack one.

    Raises:
        PfiqError: for a file that cannot be read, has no ``path`` or no numeric column, or names a face twice; and
            for a face without a row, or with a cell that is empty or not finite.
    """
    table = read_table(path, "scores")
    if "path" not in table.columns:
        raise PfiqError(f"{path}: has no column `path`; add one with the file of each face.")
    if not table.rows:
        raise PfiqError(f"{path}: has a header but no rows; add one row per face.")
    numbers = _numeric_columns(table)
    if not numbers:
        raise PfiqError(f"{path}: has no column of numbers; add one with the scores of a tool.")

    row_of = _row_of_each_face(table.rows, faces, (folder, path.parent, Path()))
    scores = {name: np.full(len(faces), np.nan) for name in numbers}
    for index, face in enumerate(faces):
        row = row_of.get(os.path.abspath(face))
        if row is not None:
            for name, values in numbers.items():
                scores[name][index] = values[row]
        lacking = [name for name, values in scores.items() if not math.isfinite(values[index])]
        if lacking and not may_lack(face):
            if row is None:
                raise PfiqError(f"{path}: has no row for {face}; score all faces of {folder}.")
            raise PfiqError(
                f"{path}: has no finite number for {face} in column {lacking[0]}; score it, or drop the column."
            )
    return scores


def _numeric_columns(table: Table) -> dict[str, list[float]]:
    columns = {}
    for name in table.columns:
        try:
            numbers = [float(row.cells[name] or math.nan) for row in table.rows]
        except ValueError:
            continue
        if name != "path" and not all(map(math.isnan, numbers)):
            columns[name] = numbers
    return columns


def _row_of_each_face(rows: Sequence[Row], faces: Sequence[Path], bases: Sequence[Path]) -> dict[str, int]:
    """The index of the row of each face that has one, by absolute path."""
    wanted = {os.path.abspath(face) for face in faces}
    found: dict[str, int] = {}
    for index, row in enumerate(rows):
        name = row.cells["path"]
        for path in {os.path.abspath(base / name) for base in bases} & wanted:
            if path in found:
                raise PfiqError(f"{row.place}: {name} comes twice; keep one row per face.")
            found[path] = index
    return found
