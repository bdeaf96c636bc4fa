"""The faces that a command reads."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import click

from pfiq_jax.cli.options import DEFAULT_DETECTION, Detection
from pfiq_jax.detection import load_detector
from pfiq_jax.faces import ReadFaces, left_out, parse_landmarks, read_face, read_landmarks
from pfiq_jax.faces.folders import list_of
from pfiq_jax.faces.photographs import FindFaces, Which, found_by, read_photograph
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.recognizers.preprocessing import Points


def reader_of(
    recognizer: Recognizer,
    landmarks: dict[str, Points] | None = None,
    detection: Detection = DEFAULT_DETECTION,
) -> ReadFaces:
    """A function that reads the faces in a file, of the recogniser's size.

    The bundled detector is loaded when the first photograph needs it. Another one is loaded at once, so that a wrong
    file is noticed before the work.

    Args:
        recognizer: its size and its landmark template are used.
        landmarks: by absolute path, as ``landmarks_of`` returns them; then nothing is detected.
        detection: which faces of a photograph.

    Raises:
        PfiqError: for weights of a detector that cannot be loaded.
    """
    wanted = recognizer.preprocessing
    if landmarks is not None or detection.detect == "none":
        return lambda path: [read_face(path, wanted.size, landmarks, wanted.template)]
    if detection.detect == "auto":
        which: Which = "largest" if detection.one_each else "all"
    else:
        which = detection.detect
    find, crops = finder(detection.detector_file), detection.detect == "auto"
    return lambda path: read_photograph(path, find, wanted.size, which=which, crops=crops, template=wanted.template)


def finder(detector_file: Path | None) -> FindFaces:
    """A function that finds the faces in a photograph. It loads the bundled detector when it is first called."""
    if detector_file is not None:
        return functools.partial(found_by, load_detector(detector_file))
    load = functools.cache(load_detector)
    return lambda photo: found_by(load(), photo)


def note_left_out(arguments: Sequence[str | Path]) -> None:
    """Prints how many pictures in the folders of a command are in formats that are not read, if there are any."""
    if suffixes := left_out(arguments):
        click.echo(f"Note: left out {list_of(suffixes)}, whose formats are not read; convert them to JPEG.", err=True)


def landmarks_of(
    option: str | Path | None, paths: Sequence[Path], arguments: Sequence[str] = ()
) -> dict[str, Points] | None:
    """Landmarks by absolute path, from ten numbers for the only image or from a table.

    Args:
        option: the numbers, or the table; None without the option.
        paths: of the images.
        arguments: files and folders that the command was given. Paths in the table may be relative to the folders.
    """
    if option is None:
        return None
    numbers = str(option).split(",")
    if len(numbers) == 1 or os.path.exists(option):
        return read_landmarks(Path(option), paths, [Path(each) for each in arguments if os.path.isdir(each)])
    if len(paths) > 1:
        raise click.UsageError(f"--landmarks are of one image, but there are {len(paths)}; give a CSV file.")
    return {os.path.abspath(paths[0]): parse_landmarks(numbers, "--landmarks")}
