"""A report in Markdown. It is written after every part, so that an interrupted run leaves its results."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter

import click

from pfiq_jax.tables import markdown_table

LONGEST = 200  # characters of an error


def short(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}"


class Report:
    """Sections of text, and the time that is left for more.

    Attributes:
        sections: the sections so far, in order.
    """

    def __init__(self, path: Path | None, seconds: float):
        self.path, self.end = path, perf_counter() + seconds
        self.sections: list[str] = []
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def left(self) -> float:
        """Seconds until the time for all parts is over; at least 0."""
        return max(0.0, self.end - perf_counter())

    def add(self, text: str) -> None:
        """Prints a section, and writes all sections to the file."""
        self.sections.append(text + "\n")
        click.echo(self.sections[-1])
        if self.path is not None:
            self.path.write_text("\n".join(self.sections))

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[str]], notes: str = "") -> None:
        """Adds a table under a title, unless it has no rows."""
        if rows := list(rows):
            self.add(f"### {title}\n\n" + (f"{notes}\n\n" if notes else "") + markdown_table(header, rows))
