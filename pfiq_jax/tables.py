"""Tables as text: Markdown and CSV."""

import csv
import io
from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, with the first column aligned to the left and all others to the right.

    Args:
        header: one title per column.
        rows: each with one text per column; a line break becomes a space and ``|`` is escaped.

    Returns:
        The lines, without a line break at the end.

    Raises:
        ValueError: for a row with more or fewer cells than the header.
    """
    lines = [_line(header), "|---|" + "---:|" * (len(header) - 1)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells, the header has {len(header)}: {row}")
        lines.append(_line(row))
    return "\n".join(lines)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows of CSV, each with a line feed at its end; cells with any kind of line break are in quotes."""
    lines = []
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\r\n").writerow(row)  # puts cells with characters of the end in quotes
        lines.append(buffer.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def cell(value: object) -> object:
    """A value as it is written to a table: numbers with six digits, an empty cell for None."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.splitlines()).replace("|", "\\|") for cell in cells) + " |"
