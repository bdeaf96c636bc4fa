"""The files that a command writes: where they go, and whether they can be written."""

import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from pfiq_jax.errors import OutputError
from pfiq_jax.outputs import RowsFile, append_text, check_output, make_folder
from pfiq_jax.tables import csv_text

STDOUT = Path("-")
STEM_BYTES = 220  # of an image's name in the names of its outputs: file systems take at most 255 bytes


def check_writable(outputs: Sequence[Path], inputs: Sequence[str | Path | None]) -> None:
    """Checks before the work, rather than after it, that outputs can be written. Changes no file.

    Args:
        outputs: files that will be written; - is stdout.
        inputs: images, landmarks and weights, none of which may be among the outputs; None for an option that was not
            given.

    Raises:
        OutputError: for an output that is an input or another output, or cannot be written.
    """
    read = {_identity(path) for path in inputs if path}
    written: set[object] = set()
    for path in outputs:
        if path == STDOUT:
            if sys.stdout is None:  # closed when the program started
                raise OutputError("stdout: is closed; give an output file, as with -o.")
            continue
        if _identity(path) in read:
            raise OutputError(f"{path}: is an input and would be overwritten; choose another output, as with -o.")
        if _identity(path) in written:
            raise OutputError(f"{path}: was given for two outputs; choose another file for one of them.")
        written.add(_identity(path))
        check_output(path)


def _identity(path: str | Path) -> object:
    """A value that is equal for all names of one file, such as links."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


@contextmanager
def row_writer(output: Path, header: Sequence[str]) -> Iterator[Callable[[Sequence[Sequence[object]]], None]]:
    """A function that writes whole rows of CSV to a file.

    An existing file is kept until the first rows are written. The header is written before them.
    """
    pending: list[Sequence[object]] = [header]
    with RowsFile(output) as file:

        def write(rows: Sequence[Sequence[object]]) -> None:
            file.write(csv_text([*pending, *rows]))
            pending.clear()

        yield write


def write_to_stdout(text: str) -> None:
    """Writes the whole text to stdout; file names that are not valid UTF-8 keep their bytes."""
    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except io.UnsupportedOperation:  # in a notebook or a test
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        return
    append_text(descriptor, text)


def output_paths(inputs: Sequence[Path], output: Path, suffix: str) -> list[Path]:
    """One output per input: the given file, or files in a folder, numbered if their stems are equal.

    Args:
        inputs: the files that are read.
        output: a file with the suffix, or a folder, which is created if necessary.
        suffix: of the outputs, such as ".png".

    Raises:
        click.UsageError: for a file with another suffix, or one file for several inputs.
        OutputError: for a folder that cannot be made.
    """
    if output.suffix.lower() == suffix:
        if len(inputs) > 1:
            raise click.UsageError(f"{output}: is one file, but there are {len(inputs)} images; give a folder.")
        return [output]
    if output == STDOUT:
        raise click.UsageError(f"-: stdout cannot take {suffix} files; give a folder or a {suffix} file.")
    if output.suffix and not output.is_dir():  # more likely a file of another format than a new folder
        raise click.UsageError(
            f"{output}: is not a {suffix} file; give one, or a folder (if its name has a dot, create it first)."
        )
    make_folder(output)
    seen: Counter[str] = Counter()
    outputs = []
    for path in inputs:
        stem = os.fsdecode(os.fsencode(path.stem)[:STEM_BYTES])
        seen[stem] += 1
        number = f"_{seen[stem]}" if seen[stem] > 1 else ""
        outputs.append(output / f"{stem}_quality{number}{suffix}")
    return outputs
