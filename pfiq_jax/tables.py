"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, with the first column aligned to the left and all others to the right.

    Args:
        header: one title per column.
        rows: one text per column each; a line break becomes a space and ``|`` is escaped.

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


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.splitlines()).replace("|", "\\|") for cell in cells) + " |"
