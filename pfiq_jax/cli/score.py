"""``pfiq score``: one number for each of many faces."""

import csv
from pathlib import Path

import click
from tqdm import tqdm

from pfiq_jax import scoring
from pfiq_jax.cli.shared import FILE, check_writable, landmarks_of, option_recognizer, reader_of, start, summarize
from pfiq_jax.faces import expand_paths
from pfiq_jax.quality import QUALITY_METHODS, find_calibration


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=FILE, default="-", metavar="CSV", help="Where to. [default: stdout]")
@click.option("--landmarks", type=FILE, metavar="CSV", help="Five points of every image to align by; see above.")
@click.option(
    "--method", type=click.Choice(list(QUALITY_METHODS)), help="[default: the best that the recogniser has a scale for]"
)
@option_recognizer
def score(
    images: tuple[str, ...], output: Path, landmarks: Path | None, method: str | None, weights: Path | None
) -> None:
    """Score faces: files, folders with all below them, patterns.

    Writes CSV with the columns path, quality, raw_quality, in the order given; what is done stays there if you
    interrupt it. Files that cannot be scored are listed at the end, and make the exit code 1.

    Quality runs from 0 to 1; higher is more useful for recognition. Compare scores of one recogniser only. Raw quality
    is the same before it was scaled by what `pfiq calibrate` found; of a method that was not calibrated for the
    recogniser there is only that, and quality stays empty.

    Images should be aligned faces of the recogniser's size, 112x112 pixels for most (ArcFace template). Others are
    aligned if you give --landmarks, a CSV file with the columns path,x1,y1,...,x5,y5: the person's right eye (left in
    the image), left eye, nose, right and left corner of the mouth. Without it they are squeezed, with a warning.
    """
    paths = expand_paths(images)
    points = landmarks_of(landmarks, paths)
    check_writable([output], [path for path in (*paths, landmarks, weights) if path])
    recognizer = start(weights)
    read = reader_of(recognizer, points)
    if method and not find_calibration(recognizer, method):
        click.echo(
            f"Warning: {method} has no scale on this recogniser, so the column quality stays empty; fit one with "
            f"`pfiq calibrate --method {method}`.",
            err=True,
        )

    squeezed, problems = [], []
    with (
        click.open_file(output, "w", encoding="utf-8", errors="surrogateescape") as file,
        tqdm(total=len(paths), unit="face", disable=None) as progress,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "quality", "raw_quality"))
        try:
            for scores in scoring.score_files(recognizer, paths, read, method=method):
                table.writerows(
                    (each.path, "" if each.quality is None else f"{each.quality:.6g}", f"{each.raw_quality:.6g}")
                    for each in scores
                    if not each.problem
                )
                file.flush()  # an interrupted run keeps what it had
                squeezed += [each.path for each in scores if each.squeezed]
                problems += [each.problem for each in scores if each.problem]
                progress.update(len(scores))
        finally:
            progress.close()
            summarize(recognizer, len(paths), squeezed, problems)
    if problems:
        raise SystemExit(1)
