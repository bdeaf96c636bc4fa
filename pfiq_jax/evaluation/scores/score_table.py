"""Quality scores of other tools, from CSV or Parquet files with one row per face."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.tables import PATH_COLUMNS, Table, numbers_in, read_table, rows_of_files, shown

NOT_ASSESSED = -1  # in a table of OFIQ, the reference implementation of ISO/IEC 29794-5
COUNTERS = ("index", "id", "row", "#")  # columns with these names are ignored if they hold row numbers


def read_scores(
    path: Path,
    faces: Sequence[Path],
    folder: Path,
    *,
    may_lack: Callable[[Path], bool] = lambda face: False,
    left_out: Callable[[str], object] | None = None,
) -> dict[str, Float[np.ndarray, " faces"]]:
    """Every numeric column of a table, in the order of the faces.

    A column is numeric if more of its cells are numbers than other text. Rows of other files, columns without a name,
    and the column of row numbers that pandas writes are ignored. In a table of OFIQ, -1 means that a face was not
    assessed.

    Args:
        path: a CSV or Parquet file with a column ``path`` or ``filename``.
        faces: the files to find scores for.
        folder: relative paths in the table may be relative to this folder, to the table's own folder or to the current
            one.
        may_lack: whether a face may lack a score, which is then NaN; called only for faces that lack a score.
        left_out: called with a sentence about each column that is left out, since it lacks a score that other columns
            have. By default such a column raises an error.

    Raises:
        PfiqError: for a file that cannot be read, has no column of paths or no numeric column, or names a face twice,
            for a numeric column with a cell that is not a number, and for a face without a row, or with a cell that is
            empty or not finite.
    """
    table = read_table(path, "scores")
    rows = rows_of_files(table, faces, (Path(), path.parent, folder))
    if not table.lines:
        raise PfiqError(f"{path}: has a header but no rows; add one row per face.")
    numbers = _numeric_columns(table)
    if not numbers:
        raise PfiqError(f"{path}: has no column of numbers; add one with the scores of a tool.")

    scores = {name: np.full(len(faces), np.nan) for name in numbers}
    lacking: dict[str, list[Path]] = {}
    for index, face in enumerate(faces):
        row = rows.get(os.path.abspath(face))
        if row is not None:
            for name, values in numbers.items():
                scores[name][index] = values[row]
        names = [name for name, values in scores.items() if not math.isfinite(values[index])]
        if names and not may_lack(face):
            if row is None:
                raise PfiqError(f"{path}: has no row for {face}; score all faces of {folder}.")
            for name in names:
                lacking.setdefault(name, []).append(face)
    for name in [name for name in scores if name in lacking]:
        missing = lacking[name]
        if left_out is None or len(lacking) == len(scores):
            raise PfiqError(
                f"{path}: has no finite number for {missing[0]} in column {shown(name)}; score it, or drop the column."
            )
        left_out(
            f"{path}: column {shown(name)} is left out, since it has no finite number for {len(missing)} of "
            f"{len(faces)} faces, such as {missing[0]}."
        )
    return {name: values for name, values in scores.items() if name not in lacking}


def _numeric_columns(table: Table) -> dict[str, list[float]]:
    of_ofiq = any(name.lower() == "unifiedqualityscore" for name in table.columns)
    columns = {}
    for name, cells in table.columns.items():
        if name.lower() in PATH_COLUMNS:
            continue
        numbers = numbers_in(cells, table.decimal_comma)
        if of_ofiq:
            numbers = [math.nan if number == NOT_ASSESSED else number for number in numbers]
        others = [row for row, number in enumerate(numbers) if number is None]
        count = sum(number is not None and not math.isnan(number) for number in numbers)
        if count <= len(others) or (name.lower() in COUNTERS and numbers in _counts(len(numbers))):
            continue
        if others:
            raise PfiqError(
                f"{table.place(others[0])}: '{shown(cells[others[0]])[:40]}' is not a number, unlike other cells of "
                f"column {shown(name)}; fix it, leave it empty, or drop the column."
            )
        columns[name] = [number for number in numbers if number is not None]
    return columns


def _counts(rows: int) -> tuple[list[float], list[float]]:
    return list(map(float, range(rows))), list(map(float, range(1, rows + 1)))
