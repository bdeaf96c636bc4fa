"""``pfiq align``: from photographs to aligned faces, one per file."""

import itertools
import os
from pathlib import Path

import click
from PIL import Image
from tqdm import tqdm

from pfiq_jax.cli.inputs import landmarks_of, note_left_out
from pfiq_jax.cli.options import FILE, option_detection, option_recognizer
from pfiq_jax.cli.outcome import counted, outcome
from pfiq_jax.cli.output_files import check_writable, row_writer
from pfiq_jax.cli.start import start
from pfiq_jax.errors import OutputError, PfiqError
from pfiq_jax.faces import Face, expand_paths
from pfiq_jax.faces.batches import read_ahead
from pfiq_jax.faces.photographs import PLACE_COLUMNS, place_of
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.outputs import make_folder, write_atomically
from pfiq_jax.tables import cell

AT_ONCE = 16  # photographs that are read ahead
TABLE = "landmarks.csv"
COLUMNS = ("path", "crop", "error", "warning", *PLACE_COLUMNS)


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=FILE, required=True, metavar="FOLDER", help="Folder to write to.")
@option_detection()
@click.option("--landmarks", type=FILE, metavar="CSV", help="Five landmarks per image to align by.")
@option_recognizer
def align(
    images: tuple[str, ...],
    output: Path,
    detection: Detection,
    landmarks: Path | None,
    recognizer_file: Path | None,
) -> None:
    """Write the aligned faces of photographs: files, folders (searched recursively), patterns.

    Every face becomes a PNG file of the recogniser's size in FOLDER, in the same subfolders as the photographs, so that
    the folders of people are kept. A photograph with several faces becomes NAME_face1.png and so on, in the order of
    the detector's score, highest first. `--detect largest` writes one face per photograph.

    FOLDER/landmarks.csv has a row per face: path, crop, error, warning, and where it lies in the photograph, as
    `pfiq score` writes it. A file without a face has the reason in the column error. It is listed at the end, and the
    exit code is 1. The table of `--detect largest` can be given to --landmarks.
    """
    note_left_out(images)
    paths = expand_paths(images)
    folders = [folder for folder in images if os.path.isdir(folder)]
    check_elsewhere(output, folders)
    points = landmarks_of(landmarks, paths, images)
    make_folder(output)
    check_writable([output / TABLE], [*paths, landmarks, recognizer_file, detection.detector_file])
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, points, detection)
    taken: set[Path] = set()
    with (
        outcome(recognizer, total=len(paths)) as seen,
        row_writer(output / TABLE, COLUMNS) as write,
        tqdm(total=len(paths), unit="file", disable=None) as progress,
    ):
        for path, faces in read_ahead(paths, read, AT_ONCE):
            rows = []
            for face in faces:
                seen.note(path, face)
                crop = None
                if isinstance(face, Face):
                    number = f"_face{face.found.number}" if face.found and len(faces) > 1 else ""
                    crop = unused(below(path, folders), number, taken)
                    make_folder((output / crop).parent)
                    write_atomically(output / crop, Image.fromarray(face.image).save)
                rows.append(cells(path, crop, face))
            write(rows)
            progress.update()
        click.echo(f"{counted(len(taken), 'face')} -> {click.format_filename(output)}")


def check_elsewhere(output: Path, folders: list[str]) -> None:
    """Raises an OutputError for an output inside a folder that is read: the next run would read the crops."""
    for folder in folders:
        if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(folder)):
            raise OutputError(f"{output}: lies in {folder}, which is read; choose a folder elsewhere.")


def below(path: Path, folders: list[str]) -> Path:
    """The path of a file relative to the folder that it was found in; the name of a file that was given itself."""
    return next((path.relative_to(folder) for folder in folders if path.is_relative_to(folder)), Path(path.name))


def unused(path: Path, number: str, taken: set[Path]) -> Path:
    """The path of a crop, also different for photographs whose names differ only in their suffixes."""
    repeats = itertools.chain([""], map("_{}".format, itertools.count(2)))
    names = (f"{path.stem}{repeat}{number}.png" for repeat in repeats)
    free = next(each for each in map(path.with_name, names) if each not in taken)
    taken.add(free)
    return free


def cells(path: Path, crop: Path | None, face: Face | PfiqError) -> list[object]:
    """The cells of a face's row, by ``COLUMNS``."""
    error, warnings, found = (face, (), None) if isinstance(face, PfiqError) else (None, face.warnings, face.found)
    return [cell(each) for each in (path, crop, error, "; ".join(warnings), *place_of(found).values())]
