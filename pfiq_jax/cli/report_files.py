"""The three files of a report: values as JSON, a table in Markdown, and a picture."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from pfiq_jax.cli.output_files import STDOUT, check_writable
from pfiq_jax.errors import OutputError
from pfiq_jax.outputs import make_folder, write_atomically, write_text
from pfiq_jax.plot_style import new_figure, png_of


class ReportFiles(NamedTuple):
    """Where a report is written; JSON may go to stdout, the table then goes to stderr as well."""

    json: Path
    picture: Path
    table: Path

    def write(self, values: dict[str, Any], table: str) -> None:
        """Writes the JSON and the table, and prints the table."""
        text = json.dumps(values, indent=2, allow_nan=False) + "\n"
        if self.json == STDOUT:
            click.echo(text, nl=False)
        else:
            write_text(self.json, text)
        write_text(self.table, table)
        click.echo(table, nl=False, err=self.json == STDOUT)

    def write_picture(self, figure: Any) -> None:
        """Writes a matplotlib ``Figure``."""
        save_picture(figure, self.picture)


def report_files(
    json_file: Path | None, name: str, inputs: Sequence[Path | None], *, folder: Path | None = None
) -> ReportFiles:
    """The files NAME.json, NAME.png and NAME.md in the current folder, or next to a given JSON file, with its stem.

    Folders are created. No file is written yet.

    Args:
        json_file: file for the JSON; - is stdout. None for the default.
        name: the stem of the default files.
        inputs: files that must not be overwritten; None for an option that was not given.
        folder: folder for the picture and the table; by default that of the JSON file.

    Raises:
        OutputError: if one of the files cannot be written, or is an input.
        PfiqError: if matplotlib is not installed.
    """
    json_file = json_file or (folder or Path()) / f"{name}.json"
    base = Path(f"{name}.json") if json_file == STDOUT else json_file
    if folder:
        base = folder / base.name
    files = ReportFiles(json_file, base.with_suffix(".png"), base.with_suffix(".md"))
    if len(set(files)) < len(files):
        raise OutputError(
            f"{json_file}: has the name of the report's picture or table; choose a name that ends in .json."
        )
    for path in files:
        make_folder(path.parent)
    check_writable(files, inputs)
    new_figure(1, 1)  # fails before the work if matplotlib is not installed
    return files


def save_picture(figure: Any, path: Path) -> None:
    """Writes a matplotlib ``Figure`` as a PNG file."""
    write_atomically(path, functools.partial(Path.write_bytes, data=png_of(figure)))
