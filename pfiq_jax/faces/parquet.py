"""Columns of a Parquet file as text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pfiq_jax.errors import PfiqError

PARQUET_SUFFIXES = (".parquet", ".pq")
PARQUET_MAGIC = b"PAR1"
MAX_ROWS = 20_000_000


def parquet_columns(path: Path, is_wanted: Callable[[str], bool]) -> tuple[list[str], dict[str, list[str]]]:
    """Chosen columns of numbers and of text. No other column is read.

    Args:
        path: the file.
        is_wanted: from the name of a column to whether to read it.

    Returns:
        The names of all columns, and the cells of the chosen columns by name; "" for an empty cell.

    Raises:
        OSError: for a file that cannot be opened.
        PfiqError: for a file in another format, and if pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise PfiqError(
            f"{path}: Parquet files need pyarrow; install it with `pip install 'pfiq-jax[parquet]'`, or give a CSV "
            "file."
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            if file.metadata.num_rows > MAX_ROWS:
                raise PfiqError(f"{path}: has more than {MAX_ROWS:,} rows; split it.")
            kept = [field.name for field in schema if is_wanted(field.name) and _is_number_or_text(field.type)]
            table = file.read(columns=kept)
        return schema.names, {name: _as_text(table.column(name)) for name in kept if schema.names.count(name) == 1}
    except PfiqError:
        raise
    except Exception as error:  # for damaged files pyarrow raises exceptions of many classes
        if isinstance(error, OSError) and error.errno:
            raise
        raise PfiqError(f"{path}: is not a Parquet file; give a CSV or Parquet file.") from error


def _is_number_or_text(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        check(kind)
        for check in (
            types.is_integer,
            types.is_floating,
            types.is_decimal,
            types.is_string,
            types.is_large_string,
            types.is_binary,
            types.is_large_binary,
            types.is_null,
        )
    )


def _as_text(column: Any) -> list[str]:
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
        column = column.cast(pyarrow.large_binary())  # invalid UTF-8 is kept, as in CSV files
    return [_cell(value) for value in column.to_pylist()]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
