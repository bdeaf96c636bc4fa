"""Checks of a command's input files, and the landmarks that its options give."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from pfiq_jax.faces import left_out, parse_landmarks, read_landmarks
from pfiq_jax.faces.folders import list_of
from pfiq_jax.recognizers.preprocessing import Points


def note_left_out(arguments: Sequence[str | Path]) -> None:
    """Prints how many images in the folders of a command are in formats that are not read, if there are any."""
    if suffixes := left_out(arguments):
        click.echo(f"Note: left out {list_of(suffixes)}, whose formats are not read; convert them to JPEG.", err=True)


def landmarks_of(
    option: str | Path | None, paths: Sequence[Path], arguments: Sequence[str] = ()
) -> dict[str, Points] | None:
    """Landmarks by absolute path, from ten numbers for the only image or from a table.

    Args:
        option: the numbers, or the path of the table; None without the option.
        paths: the images.
        arguments: files and folders that the command was given. Paths in the table may be relative to the folders.
    """
    if option is None:
        return None
    numbers = str(option).split(",")
    if len(numbers) == 1 or os.path.exists(option):
        return read_landmarks(Path(option), paths, [Path(each) for each in arguments if os.path.isdir(each)])
    if len(paths) > 1:
        raise click.UsageError(
            f"--landmarks: has the points of one image, but there are {len(paths)}; give a CSV file."
        )
    return {os.path.abspath(paths[0]): parse_landmarks(numbers, "--landmarks")}
