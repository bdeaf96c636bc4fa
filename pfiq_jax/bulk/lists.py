"""Lists of images: text with a name per line, and tables."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from pfiq_jax.bulk.listing import Listing
from pfiq_jax.bulk.stores import is_address, opener
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.landmarks import LANDMARK_COLUMNS
from pfiq_jax.faces.records import Box, Open
from pfiq_jax.faces.tables import PATH_COLUMNS, Table, check_names_file, numbers_in, read_table
from pfiq_jax.recognizers.preprocessing import Points

TEXT_SUFFIXES = (".txt", ".lst", ".list")
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
BOX_COLUMNS = ("left", "top", "width", "height")
SPACES = b" \t\r\v\f"
BLOCK = 2**24  # bytes of a text that are searched for line breaks at a time
TRIED = 10  # first names of a list, by which the folder that they are relative to is chosen


class Lines(Sequence[str]):
    """The lines of a text that are not empty, without the spaces around them. Each takes its bytes and eight more.

    Args:
        text: in UTF-8; other bytes, which file names may contain, are kept.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text = text.removeprefix(b"\xef\xbb\xbf")
        blocks = (np.frombuffer(text[start : start + BLOCK], np.uint8) for start in range(0, len(text), BLOCK))
        breaks = [np.flatnonzero(block == ord("\n")) + number * BLOCK for number, block in enumerate(blocks)]
        ends = np.concatenate([*breaks, [len(text)]])
        starts = np.concatenate([[0], ends[:-1] + 1])
        filled = ends > starts
        first = np.frombuffer(text or b"\n", np.uint8)[np.minimum(starts, max(0, len(text) - 1))]
        for line in np.flatnonzero(filled & np.isin(first, np.frombuffer(SPACES, np.uint8))):  # there are few
            filled[line] = bool(text[starts[line] : ends[line]].strip())
        self._starts, self._ends = starts[filled], ends[filled]

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        line = self._text[self._starts[index] : self._ends[index]]
        return line.strip().decode("utf-8", "surrogateescape")


def named_files(names: Sequence[str], folder: Path | None) -> Listing:
    """Files, and addresses such as gs://bucket/face.jpg, by their names.

    Args:
        names: names of the images.
        folder: the folder of the list. Relative names refer to it if more of the first ones are files there than in the
            current folder.
    """
    base = _base(names, folder)

    def content(number: int) -> Path | Open:
        name = names[number]
        return opener(name) if is_address(name) else base / name

    return Listing(names, content)


def _base(names: Sequence[str], folder: Path | None) -> Path:
    """The current folder, or the folder of the list if more of the first names are files in it."""
    tried = [name for name in itertools.islice(names, TRIED) if not is_address(name)]
    folders = (Path(), *([folder] if folder else []))
    return max(folders, key=lambda each: sum(os.path.lexists(each / name) for name in tried))


def table_list(path: Path) -> Listing:
    """The images whose names are in the column ``path`` or ``filename`` of a CSV or Parquet file.

    Columns x1, y1, ..., x5, y5 are landmarks, and left, top, width, height the box of the face to score, as
    ``pfiq score`` writes them. Rows without these numbers are photographs.

    Raises:
        PfiqError: for a file that cannot be read, lacks such a column, or has cells that are not numbers.
    """
    known = {*LANDMARK_COLUMNS, *BOX_COLUMNS}
    table = read_table(path, "paths", wanted=lambda name: name.lower() in known)
    table.check_columns(())
    names = table.column(*PATH_COLUMNS)
    for row, name in enumerate(names):
        check_names_file(table, row, name)
    files = named_files(names, path.parent)
    points, boxes = _numbers(table, LANDMARK_COLUMNS), _numbers(table, BOX_COLUMNS)

    def landmarks(number: int) -> Points | None:
        found = _row(points, number)
        return found and tuple(zip(found[::2], found[1::2], strict=True))

    def box(number: int) -> Box | None:
        return _row(boxes, number) if points is None else None

    described = b"".join(each.tobytes() for each in (points, boxes) if each is not None)
    return Listing(names, files.content, landmarks, box, described)


def _row(numbers: np.ndarray | None, number: int) -> Any:
    """A row of numbers as a tuple; None if one of them is missing."""
    if numbers is None or np.isnan(numbers[number]).any():
        return None
    return tuple(numbers[number].tolist())


def _numbers(table: Table, columns: Sequence[str]) -> np.ndarray | None:
    """The numbers in columns, (rows, columns), NaN for one that is missing; None if the table has no such columns."""
    if not {name.lower() for name in table.columns}.issuperset(columns):
        return None
    found = np.empty((len(table.lines), len(columns)))
    for place, name in enumerate(columns):
        cells = table.column(name)
        values = numbers_in(cells, table.decimal_comma)
        if None in values:
            row = values.index(None)
            raise PfiqError(f"{table.place(row)}: {name} is {cells[row]!r}, which is not a number; fix this cell.")
        found[:, place] = values
    return found
