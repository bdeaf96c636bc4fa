"""The reader of tables about faces, such as landmarks or scores, from CSV or Parquet files."""

import codecs
import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.parquet import PARQUET_MAGIC, PARQUET_SUFFIXES, parquet_columns

PATH_COLUMNS = ("path", "filename")
SEPARATORS = (",", ";", "\t", "|", " ")  # spaces only if no other separator gives a column of paths
SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
MAX_BYTES = 2**29  # of a CSV file
NAMED = 100  # characters of a file's text that a message shows

# Texts that pandas and R write for a missing number, in lower case.
MISSING = frozenset(
    ("", "na", "n/a", "nan", "-nan", "null", "none", "nil", "<na>", "nat", "#n/a", "#na", "-", "1.#qnan", "1.#ind")
)
NAMELESS = re.compile(r"|Unnamed: \d+(_level_\d+)?|__index_level_\d+__|level_0")  # also the names of pandas' indices
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Table(NamedTuple):
    """A table as text, without rows and columns that are empty or have no name.

    Attributes:
        path: the file.
        header: the names of all columns in the file.
        columns: the cells of each column, by its name; bytes that are not UTF-8 stay in them as surrogates.
        lines: the line of the file in which each row ends, or its row in a Parquet file.
        separator: separator of the cells; None for a Parquet file.
    """

    path: Path
    header: list[str]
    columns: dict[str, list[str]]
    lines: list[int]
    separator: str | None

    @property
    def decimal_comma(self) -> bool:
        """Whether 0,5 is a number in this table."""
        return self.separator not in (",", None)

    def place(self, row: int) -> str:
        """The location of a row, for error messages: ``points.csv, line 7``."""
        return f"{self.path}, {'line' if self.separator else 'row'} {self.lines[row]}"

    def column(self, *names: str) -> list[str]:
        """The cells of the first of some columns that exists; upper and lower case are equal.

        Raises:
            PfiqError: if none exists, or if two names differ only in upper and lower case.
        """
        for wanted in names:
            found = [name for name in self.columns if name.lower() == wanted.lower()]
            if len(found) > 1:
                raise PfiqError(f"{self.path}: has the columns {shown(' and '.join(found))}; keep one.")
            if found:
                return self.columns[found[0]]
        raise PfiqError(f"{self.path}: has no column `{names[0]}`; {self._remedy()}.")

    def check_columns(self, names: Sequence[str]) -> None:
        """Raises a PfiqError if the table lacks columns, or has none of ``PATH_COLUMNS``."""
        found = {name.lower() for name in self.columns}
        missing = [] if found.intersection(PATH_COLUMNS) else [PATH_COLUMNS[0]]
        if missing := [*missing, *(name for name in names if name not in found)]:
            raise PfiqError(f"{self.path}: lacks the columns {', '.join(missing)}; {self._remedy()}.")

    def _remedy(self) -> str:
        named = shown(", ".join(self.header)) or "no names"
        separated = f" (separated by {SEPARATOR_NAMES.get(self.separator, self.separator)})" if self.separator else ""
        return f"name them in the header, which has {named}{separated}"


def read_table(path: Path, contents: str, *, wanted: Callable[[str], bool] = lambda name: True) -> Table:
    """Reads a CSV or Parquet file with a column ``path`` or ``filename``.

    CSV files are UTF-8, UTF-16 or UTF-32, or bytes in another encoding. Cells are separated by commas, semicolons,
    tabs, vertical bars or spaces: by the separator that gives a column of paths and the most columns.

    Args:
        path: the file.
        contents: the contents that the table should have, for error messages, such as ``landmarks``.
        wanted: from the name of a column to whether to read it; the paths are always read.

    Raises:
        PfiqError: for a file that cannot be read or has another format, for two columns of one name, for a line with
            more or fewer cells than the header, and for a Parquet file if pyarrow is not installed.
    """

    def is_wanted(name: str) -> bool:
        return name.lower() in PATH_COLUMNS or (not NAMELESS.fullmatch(name) and wanted(name))

    try:
        with path.open("rb") as file:
            start = file.read(len(PARQUET_MAGIC))
            if path.suffix.lower() in PARQUET_SUFFIXES or start == PARQUET_MAGIC:
                names, columns = parquet_columns(path, is_wanted)
                _check_names(path, [name for name in names if is_wanted(name)])
                return Table(path, names, columns, list(range(1, len(next(iter(columns.values()), [])) + 1)), None)
            content = start + file.read(MAX_BYTES)
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        raise PfiqError(f"{path}: {reason}; give a CSV or Parquet file of {contents}.") from error
    if len(content) > MAX_BYTES:
        raise PfiqError(f"{path}: has more than {MAX_BYTES >> 20} MiB; split it, or give a Parquet file.")
    return _read_csv(path, _decode(path, content, contents), is_wanted)


def _decode(path: Path, content: bytes, contents: str) -> str:
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace" if encoding != "utf-8-sig" else "surrogateescape")
    sample = content[:1000]
    if b"\0" in sample:
        zeros = [sample[first::2].count(0) / max(1, len(sample) // 2) for first in (0, 1)]
        if content.startswith(b"PK") or max(zeros) < 0.5 or min(zeros) > 0.1:
            raise PfiqError(f"{path}: is not a text file; save the {contents} as CSV or Parquet.")
        return content.decode("utf-16-le" if zeros[1] > zeros[0] else "utf-16-be", "replace")
    return content.decode("utf-8", "surrogateescape")  # file names may hold bytes that are not text


def _read_csv(path: Path, text: str, is_wanted: Callable[[str], bool]) -> Table:
    separators: Sequence[str] = SEPARATORS
    skipped = 0
    # Excel writes and reads this line; without a separator it has no effect.
    if found := re.match(r'"?sep=([^"\r\n]?)"?[^\S\t\r\n]*(\r\n|\r|\n)', text, re.IGNORECASE):
        separators, text, skipped = found[1] or SEPARATORS, text[found.end() :], 1
    headers = {separator: _header(text, separator) for separator in separators}
    with_paths = [each for each in headers if any(name.lower() in PATH_COLUMNS for name in headers[each])]
    separator = max(with_paths or headers, key=lambda each: (each != " ", len(headers[each])))
    names = headers[separator]
    _check_names(path, [name for name in names if is_wanted(name)])
    kept = {index: name for index, name in enumerate(names) if is_wanted(name)}
    columns: dict[str, list[str]] = {name: [] for name in kept.values()}
    numbers: list[int] = []

    lines = _reader(text, separator)
    try:
        filled = (line for line in lines if any(map(str.strip, line)))
        next(filled, None)  # the header
        for line in filled:
            while len(line) > len(names) and not line[-1].strip():
                line.pop()
            if len(line) < len(names) and all(NAMELESS.fullmatch(name) for name in names[len(line) :]):
                line += [""] * (len(names) - len(line))
            number = lines.line_num + skipped
            if len(line) != len(names):
                raise PfiqError(
                    f"{path}, line {number}: has {len(line)} cells, the header has {len(names)}; fix this line."
                )
            for index, name in kept.items():
                columns[name].append(line[index])
            numbers.append(number)
    except csv.Error as error:
        raise PfiqError(f"{path}, line {lines.line_num + skipped}: is not CSV ({error}); fix this line.") from error
    return Table(path, names, columns, numbers, separator)


def _reader(text: str, separator: str) -> Any:  # the type of csv.reader has no public name
    header = text[: text.find("\n") + 1 or len(text)]
    spaces = separator == " " or f"{separator} " in header
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=spaces, strict=True)


def _header(text: str, separator: str) -> list[str]:
    try:
        filled = (line for line in _reader(text, separator) if any(map(str.strip, line)))
        names: list[str] = next(filled, [])
    except csv.Error:
        return [""]
    return [" ".join(readable(name).split()) for name in names]


def _check_names(path: Path, names: Sequence[str]) -> None:
    for name, number in Counter(names).items():
        if number > 1:
            raise PfiqError(f"{path}: has {number} columns `{shown(name)}`; rename all but one.")


def readable(text: str) -> str:
    """Text whose bytes were not UTF-8, as Latin-1."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text


def shown(text: str) -> str:
    """The start of a file's text, on one line, for a message."""
    return " ".join(readable(text)[:NAMED].split())


def numbers_in(cells: Sequence[str], decimal_comma: bool = False) -> list[float | None]:
    """The number in each cell: NaN for a missing number, as pandas or R write it, None for any other text."""
    return [_number(cell.strip(), decimal_comma) for cell in cells]


def _number(text: str, decimal_comma: bool) -> float | None:
    if text.lower() in MISSING:
        return math.nan
    if decimal_comma and "." not in text:
        text = text.replace(",", ".", 1)
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def check_names_file(table: Table, row: int, name: str) -> None:
    """Raises a PfiqError for a row whose path is empty."""
    if not name.strip():
        raise PfiqError(f"{table.place(row)}: has no path; fill it in, or remove the row.")


def rows_of_files(table: Table, files: Sequence[Path], folders: Sequence[Path]) -> dict[str, int]:
    """The row of each file that has one, by absolute path.

    Relative paths refer to the folder under which most rows are one of the files. A row that is not a file there refers
    to the next folder.

    Args:
        table: a table with a column of paths.
        files: the files to find rows for; other rows are ignored.
        folders: folders that paths may be relative to.

    Raises:
        PfiqError: for a table without a column of paths, a row without a path, and two rows of one file.
    """
    names = table.column(*PATH_COLUMNS)
    wanted = {os.path.abspath(file) for file in files}
    found = [
        [_among(wanted, folder, name) for name in names] for folder in dict.fromkeys(map(os.path.abspath, folders))
    ]
    found.sort(key=lambda matches: sum(match is None for match in matches))
    rows: dict[str, int] = {}
    for row, (name, *matches) in enumerate(zip(names, *found, strict=True)):
        check_names_file(table, row, name)
        match = next(filter(None, matches), None)
        if match in rows:
            raise PfiqError(f"{table.place(row)}: {shown(name)} comes twice; keep one row per image.")
        if match is not None:
            rows[match] = row
    return rows


def _among(wanted: set[str], folder: str, name: str) -> str | None:
    """The file in ``wanted`` with this name, which may have outer spaces, another system's separators or Latin-1."""
    for spelling in (name, name.strip(), name.strip().replace("\\", "/"), readable(name.strip())):
        path = os.path.normpath(os.path.join(folder, spelling))
        if path in wanted:
            return path
    return None
