"""Tables that come with faces, such as landmarks or scores, from CSV or Parquet files."""

import csv
from pathlib import Path
from typing import NamedTuple

from pfiq_jax.errors import PfiqError

PARQUET_SUFFIXES = (".parquet", ".pq")


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        place: the file and the line or row, for error messages: ``points.csv, line 7``.
        cells: the text of each cell, by column; "" for an empty one.
    """

    place: str
    cells: dict[str, str]


class Table(NamedTuple):
    """A table as text.

    Attributes:
        columns: names, in the order of the file.
        rows: in the order of the file, without empty lines.
    """

    columns: list[str]
    rows: list[Row]


def read_table(path: Path, contents: str) -> Table:
    """Reads a CSV file or, by the suffix of its name, a Parquet file.

    Args:
        path: the file. CSV files are UTF-8, with the names of the columns in the first line.
        contents: what the table should hold, for error messages: ``landmarks``.

    Raises:
        PfiqError: for a file that cannot be read or has another format, for a line with more or fewer cells than the
            header, and for a Parquet file if pyarrow is not installed.
    """
    try:
        return _read_parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else _read_csv(path)
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        raise PfiqError(f"{path}: {reason}; give a CSV or Parquet file of {contents}.") from error
    except csv.Error as error:
        raise PfiqError(f"{path}: is not a CSV file ({error}); give a CSV or Parquet file of {contents}.") from error


def _read_csv(path: Path) -> Table:
    # Undecodable bytes are kept, since file names may hold some.
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        rows = []
        for line in lines:
            place = f"{path}, line {lines.line_num}"
            if not line:
                continue
            if len(line) != len(header):
                raise PfiqError(f"{place}: has {len(line)} cells, the header has {len(header)}; fix this line.")
            rows.append(Row(place, dict(zip(header, line, strict=True))))
    return Table(header, rows)


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise PfiqError(
            f"{path}: Parquet files need pyarrow; `pip install pfiq-jax[parquet]`, or give a CSV file."
        ) from error
    try:
        table = parquet.read_table(path)
    except ArrowException as error:
        raise PfiqError(f"{path}: is not a Parquet file; give a CSV or Parquet file.") from error
    rows = [
        Row(f"{path}, row {number}", {name: "" if cell is None else str(cell) for name, cell in row.items()})
        for number, row in enumerate(table.to_pylist(), start=1)
    ]
    return Table(table.column_names, rows)
