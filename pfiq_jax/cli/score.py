"""``pfiq score``: one number per face, for many faces."""

from pathlib import Path

import click
from tqdm import tqdm

from pfiq_jax import scoring
from pfiq_jax.cli.inputs import landmarks_of, note_left_out
from pfiq_jax.cli.options import (
    FILE,
    check_supported,
    method_list,
    option_detection,
    option_recognizer,
)
from pfiq_jax.cli.outcome import outcome
from pfiq_jax.cli.output_files import cell, check_writable, row_writer
from pfiq_jax.cli.start import start
from pfiq_jax.faces import expand_paths
from pfiq_jax.faces.photographs import PLACE_COLUMNS, place_of
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.records import Source
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method, find_calibration

COLUMNS = ("path", "quality", "raw_quality", "error", "warning", *PLACE_COLUMNS)


@click.command(epilog=method_list("--quality", QUALITY_METHODS))
@click.argument("images", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=FILE, default="-", metavar="CSV", help="Where to. [default: stdout]")
@option_detection()
@click.option("--landmarks", type=FILE, metavar="CSV", help="Five points per image to align by instead; see above.")
@click.option(
    "--quality",
    type=click.Choice(list(QUALITY_METHODS)),
    metavar="METHOD",
    help="See below. [default: relative_norm, or ser_fiq_closed_form if the recogniser has no scale for it]",
)
@option_recognizer
def score(
    images: tuple[str, ...],
    output: Path,
    detection: Detection,
    landmarks: Path | None,
    quality: str | None,
    recognizer_file: Path | None,
) -> None:
    """Score faces: files, folders with all below them, patterns.

    Writes CSV with one row per face, in the order given: path, quality, raw_quality, error, warning. A file that
    cannot be scored has the reason in the column error, is listed at the end, and makes the exit code 1. Rows are
    written as they are computed, so an interrupted run keeps its results.

    Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only. Raw quality
    is the score before it was put on the scale that `pfiq calibrate` fitted. If a method has no scale for the
    recogniser, quality stays empty.

    An image of the recogniser's size, 112x112 pixels for most, is taken for an aligned face (ArcFace template). In
    others, faces are detected and aligned. Their rows have more: the face's number in the photograph, the detector's
    score from 0 to 1 (higher is surer), the box, the distance between the eyes, and five landmarks x1,y1,...,x5,y5, in
    pixels of the photograph: the person's right eye (left in the image), left eye, nose, right and left corner of the
    mouth. If you know the landmarks, give --landmarks, a CSV file with the columns path,x1,y1,...,x5,y5.
    """
    note_left_out(images)
    paths = expand_paths(images)
    points = landmarks_of(landmarks, paths, images)
    check_writable([output], [*paths, landmarks, recognizer_file, detection.detector_file])
    recognizer = start(recognizer_file)
    method = quality or default_quality_method(recognizer)
    check_supported("--quality", method, QUALITY_METHODS, recognizer)
    warn_without_scale(method, has_scale=find_calibration(recognizer, method) is not None)

    read = reader_of(recognizer, points, detection)
    with (
        outcome(recognizer, total=len(paths)) as seen,
        row_writer(output, COLUMNS) as write,
        tqdm(total=len(paths), unit="file", disable=None) as progress,
    ):
        done: set[Source] = set()
        for scores in scoring.score_files(recognizer, paths, read, method=method, note=seen.note):
            write([cells(each) for each in scores])
            seen.note_qualities(method, [each.quality for each in scores if each.quality is not None])
            new = {each.path for each in scores} - done
            progress.update(len(new))
            done |= new


def warn_without_scale(method: str, *, has_scale: bool) -> None:
    """Warns on stderr if a method has no scale, so that there are raw scores alone."""
    if not has_scale:
        click.echo(
            f"Warning: {method} has no scale on this recogniser, so the column quality stays empty; fit one with "
            f"`pfiq calibrate --quality {method}`.",
            err=True,
        )


def cells(score: scoring.Score) -> list[object]:
    """The cells of a face's row, by ``COLUMNS``."""
    values = (score.path, score.quality, score.raw_quality, score.error, score.warning)
    return [cell(each) for each in (*values, *place_of(score.found).values())]
