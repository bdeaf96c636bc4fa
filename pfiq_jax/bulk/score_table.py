"""Scores in one text file, which grows by whole rows and can be resumed."""

import contextlib
import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pfiq_jax.bulk.listing import Inputs
from pfiq_jax.bulk.remaining import Remaining
from pfiq_jax.bulk.rows import COLUMNS, TEXT_FORMATS, records_in, row_of, shown_weights
from pfiq_jax.errors import OutputError
from pfiq_jax.faces.records import Record
from pfiq_jax.outputs import RowsFile
from pfiq_jax.scoring import Score
from pfiq_jax.tables import csv_text

REMEDY = "name another output, or give --force to replace it."


class ScoreTable:
    """Writes scores as text.

    Args:
        append: function that adds text to the output.
        suffix: .csv or .jsonl.
        method: the quality method.
        weights: SHA-256 of the file of weights.
        done: number of images that the output already has.
    """

    def __init__(self, append: Callable[[str], object], suffix: str, method: str, weights: str, done: int = 0) -> None:
        self._append, self._as_text = append, TEXT_FORMATS[suffix]
        self._method, self._weights = method, weights
        self._done, self._has_header = done, done > 0

    def remaining(self, inputs: Inputs) -> Remaining:
        """The records that have not been scored yet."""
        return Remaining(inputs, [range(self._done, len(inputs))])

    def together(self, record: Record) -> None:
        """The value that is equal for all records of a batch: a batch may have any records."""

    def write(self, scores: Sequence[Score]) -> None:
        """Adds the rows of scores.

        Raises:
            OutputError: if they cannot be written.
        """
        rows = [row_of(score, self._method, self._weights) for score in scores]
        self._append(self._as_text(rows, header=not self._has_header))
        self._has_header = True


def resume(file: RowsFile, path: Path, inputs: Inputs, method: str, weights: str) -> int:
    """Keeps the rows of a file up to the last image whose rows are certainly complete.

    Args:
        file: the output, open.
        path: path of the output.
        inputs: all records of this run.
        method: the quality method.
        weights: SHA-256 of the file of weights.

    Returns:
        The number of images in the file.

    Raises:
        OutputError: for rows of other images, another method or other weights, and for a file of other columns.
    """
    done = 0

    def keep(text: str) -> str:
        nonlocal done
        rows, texts = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _json_rows(path, text)
        groups = list(records_in(rows))
        wanted = {"method": method, "weights": shown_weights(weights)}
        for number, group in enumerate(groups):
            found = dict(zip(COLUMNS, group[0], strict=True))
            expected = {"path": inputs[number].name if number < len(inputs) else "nothing", **wanted}
            for name, value in expected.items():
                if found[name] != value:
                    raise OutputError(
                        f"{path}: image {number + 1} has the {name} {found[name]}, but this run has {value}; {REMEDY}"
                    )
        groups = groups[:-1]  # the last photograph may lack faces
        done = len(groups)
        header = csv_text([COLUMNS]) if done and path.suffix.lower() == ".csv" else ""
        return header + "".join(texts[: sum(map(len, groups))])

    file.go_on(keep)
    return done


def _csv_rows(path: Path, text: str) -> tuple[list[list[str]], list[str]]:
    """The complete rows, and their text."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # in an incomplete last row
        rows.extend(csv.reader(io.StringIO(text, newline=""), strict=True))
    if rows and rows[0] != list(COLUMNS):
        raise OutputError(f"{path}: has other columns than this release writes; {REMEDY}")
    whole = [row for row in rows[1:] if len(row) == len(COLUMNS)]
    return whole, [csv_text([row]) for row in whole]


def _json_rows(path: Path, text: str) -> tuple[list[list[object]], list[str]]:
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    try:
        found = [json.loads(line) for line in lines]
        return [[each[name] for name in COLUMNS] for each in found], lines
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path}: has other columns than this release writes; {REMEDY}") from error
