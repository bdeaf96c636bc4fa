"""The rows of a table of scores, and their form in CSV, in JSON lines and in Parquet."""

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from pfiq_jax.bulk.manifest import DIGITS
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.photographs import PLACE_COLUMNS, place_of
from pfiq_jax.scoring import Score
from pfiq_jax.tables import cell, csv_text

COLUMNS = ("path", "quality", "raw_quality", "status", "error", "warning", *PLACE_COLUMNS, "method", "weights")
TEXTS = ("path", "status", "error", "warning", "method", "weights")
FACE = COLUMNS.index("face")
NO_PYARROW = "needs pyarrow; `pip install pfiq-jax[parquet]`, or name a .csv or .jsonl file."

Row = tuple[Any, ...]
"""The values of a face, in the order of ``COLUMNS``; None for a value that does not exist."""


def row_of(score: Score, method: str, weights: str) -> Row:
    """The row of a score.

    Args:
        score: the score of a face, or the reason why an image has none.
        method: the quality method.
        weights: SHA-256 of the file of weights; the row gets its first digits.
    """
    values = (score.quality, score.raw_quality, score.status, score.error, score.warning)
    return (str(score.path), *values, *place_of(score.found).values(), method, shown_weights(weights))


def shown_weights(weights: str) -> str:
    """The SHA-256 of weights as rows state it: a text that no program reads as a number."""
    return f"sha256:{weights[:DIGITS]}"


def records_in(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """The rows of each image. An image with several faces has several rows with increasing numbers of faces."""
    group: list[Sequence[Any]] = []
    for row in rows:
        if group and not (row[0] == group[-1][0] and int(row[FACE] or 0) > int(group[-1][FACE] or 0) > 0):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def csv_rows(rows: Iterable[Row], *, header: bool) -> str:
    """Rows as CSV, numbers with six digits; after the header if requested."""
    return csv_text([COLUMNS] * header) + csv_text([cell(value) for value in row] for row in rows)


def json_rows(rows: Iterable[Row], *, header: bool) -> str:
    """Rows as JSON lines, numbers with six digits, null for a value that does not exist. There is never a header."""

    def rounded(value: Any) -> Any:
        return float(f"{value:.6g}") if isinstance(value, float) else value

    return "".join(json.dumps(dict(zip(COLUMNS, map(rounded, row), strict=True))) + "\n" for row in rows)


def arrow_table(rows: Sequence[Row], metadata: Mapping[str, str]) -> Any:
    """Rows as a ``pyarrow.Table``: numbers in float32 as they were computed, face in int32."""
    import pyarrow

    columns = {}
    for place, name in enumerate(COLUMNS):
        values = [row[place] for row in rows]
        if name in TEXTS:
            texts = [None if value is None else os.fsencode(value) for value in values]
            columns[name] = pyarrow.array(texts, pyarrow.binary()).view(pyarrow.string())  # also if not text
        else:
            columns[name] = pyarrow.array(values, pyarrow.int32() if name == "face" else pyarrow.float32())
    return pyarrow.table(columns, metadata=dict(metadata))


def parquet_bytes(rows: Sequence[Row], metadata: Mapping[str, str]) -> bytes:
    """Rows as a Parquet file; see ``arrow_table``."""
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(arrow_table(rows, metadata), buffer, compression="zstd")
    return buffer.getvalue()


def rows_of_parquet(content: bytes) -> tuple[list[Row], dict[str, str]]:
    """The rows of ``parquet_bytes``, and the metadata."""
    import pyarrow
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(content))
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    columns: list[list[Any]] = []
    for name in COLUMNS:
        column = table.column(name)
        if name in TEXTS:
            values = column.combine_chunks().view(pyarrow.binary()).to_pylist()
            columns.append([None if value is None else os.fsdecode(value) for value in values])
        else:
            columns.append(column.to_pylist())
    return list(zip(*columns, strict=True)), metadata


def check_pyarrow(output: str) -> None:
    """Raises a PfiqError if pyarrow, which writes Parquet, is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise PfiqError(f"{output}: {NO_PYARROW}") from error


class AsText(Protocol):
    """A function that writes rows as the text of a file."""

    def __call__(self, rows: Iterable[Row], *, header: bool) -> str: ...


TEXT_FORMATS: dict[str, AsText] = {".csv": csv_rows, ".jsonl": json_rows}
"""The function for each suffix of a file."""
