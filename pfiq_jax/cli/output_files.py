"""The files that a command writes: where they go, and whether they can be written."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from pfiq_jax.errors import PfiqError

STDOUT = Path("-")
STEM_BYTES = 220  # of an image's name in the names of its outputs: file systems take at most 255 bytes


def check_writable(outputs: Sequence[Path], inputs: Sequence[str | Path]) -> None:
    """Checks before the work, rather than after it, that outputs can be written. Changes no file.

    Args:
        outputs: files that will be written; - is stdout.
        inputs: images, landmarks and weights, none of which may be among the outputs.

    Raises:
        PfiqError: for an output that is an input or cannot be written.
    """
    read = {os.path.realpath(path) for path in inputs}  # of links too, since writing to one writes to its target
    for path in outputs:
        if path == STDOUT:
            continue
        if os.path.realpath(path) in read:
            raise PfiqError(f"{path}: is an input and would be overwritten; name another output, as with -o.")
        is_new = not path.exists()
        if not (is_new or path.is_file() or path.is_dir()):  # opening a pipe would be noticed
            continue
        try:
            path.open("ab").close()
        except OSError as error:
            raise PfiqError(f"{path}: cannot be written ({error.strerror}); choose another output.") from error
        if is_new:
            path.unlink()


def output_paths(inputs: Sequence[Path], output: Path, suffix: str) -> list[Path]:
    """One output per input: the file that is named, or files in a folder, numbered if their stems are equal.

    Args:
        inputs: the files that are read.
        output: a file with the suffix, or a folder, which is made if need be.
        suffix: of the outputs, such as ".png".

    Raises:
        click.UsageError: for a file with another suffix, or one file for several inputs.
    """
    if output.suffix.lower() == suffix:
        if len(inputs) > 1:
            raise click.UsageError(f"{output} is one file, but there are {len(inputs)} images; name a folder.")
        return [output]
    if output == STDOUT:
        raise click.UsageError(f"- is stdout, which takes no {suffix} files; name a folder or a {suffix} file.")
    if output.suffix and not output.is_dir():  # more likely a file of another format than a new folder
        raise click.UsageError(
            f"{output} is not a {suffix} file; name one, or a folder (if its name has a dot, make it first)."
        )
    output.mkdir(parents=True, exist_ok=True)
    seen: Counter[str] = Counter()
    outputs = []
    for path in inputs:
        stem = os.fsdecode(os.fsencode(path.stem)[:STEM_BYTES])
        seen[stem] += 1
        number = f"_{seen[stem]}" if seen[stem] > 1 else ""
        outputs.append(output / f"{stem}_quality{number}{suffix}")
    return outputs
