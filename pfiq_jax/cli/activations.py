"""``pfiq activations``: a study of the activation maps of faces of high and of low quality."""

import functools
import math
import textwrap
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from pfiq_jax.cli.inputs import note_left_out
from pfiq_jax.cli.options import (
    FILE,
    check_supported,
    method_list,
    option_detection,
    option_recognizer,
)
from pfiq_jax.cli.outcome import Outcome, outcome
from pfiq_jax.cli.output_files import check_writable
from pfiq_jax.cli.start import start
from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.measured_files import measure_files
from pfiq_jax.evaluation.scores.score_table import read_scores
from pfiq_jax.faces import Face, ReadFaces, expand_paths
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.maps import ACTIVATION_METHODS, DEFAULT_ACTIVATION_METHOD, DEFAULT_MAP_METHOD, MAP_METHODS
from pfiq_jax.maps.face_regions import face_regions
from pfiq_jax.outputs import make_folder, write_atomically
from pfiq_jax.plot_style import new_figure
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method, embeddings_and_scores
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.variation import central_face
from pfiq_jax.variation.deficits import Deficits, set_deficits
from pfiq_jax.variation.reference import identity
from pfiq_jax.variation.report import REPORT_FILES, report_of
from pfiq_jax.variation.study import QUANTILE, SMALLEST_SET, Sets, split
from pfiq_jax.variation.study_files import FilesStudy, study_files

VARIATION_FILES = ("high.npz", "low.npz")


@click.command(
    epilog=f"{method_list('--quality', QUALITY_METHODS)}\n\n{method_list('--activation', ACTIVATION_METHODS)}"
)
@click.argument("folder", type=FILE)
@click.option(
    "-o", "--output", type=FILE, default="activations", metavar="REPORT", show_default=True, help="Folder to write to."
)
@click.option(
    "--quality",
    type=click.Choice(list(QUALITY_METHODS)),
    metavar="METHOD",
    help="Quality method to split by; see below. [default: as pfiq score]",
)
@click.option("--scores", "scores_file", type=FILE, metavar="CSV|PARQUET", help="Scores of another tool to split by.")
@click.option("--column", metavar="NAME", help="Column of --scores, if it has several.")
@click.option(
    "--quantile",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=QUANTILE,
    show_default=True,
    help="Share of the faces in either set.",
)
@click.option(
    "--limit",
    type=click.IntRange(SMALLEST_SET),
    default=100,
    show_default=True,
    help="Largest number of faces per set.",
)
@click.option(
    "--activation",
    type=click.Choice(list(ACTIVATION_METHODS)),
    default=DEFAULT_ACTIVATION_METHOD,
    metavar="METHOD",
    show_default=True,
    help="Activation map; see below.",
)
@option_detection(one_each=True)
@option_recognizer
def activations(
    folder: Path,
    output: Path,
    quality: str | None,
    scores_file: Path | None,
    column: str | None,
    quantile: float,
    limit: int,
    activation: str,
    detection: Detection,
    recognizer_file: Path | None,
) -> None:
    """Show where the recogniser looks in faces of high and of low quality, and how much this varies between faces.

    FOLDER contains aligned faces of the recogniser's size, or photographs. The largest face of each photograph is
    used. By default the 10% of faces with the highest scores are compared with the 10% with the lowest scores. The
    folder REPORT gets these files:

    \b
    report.html         the findings, with all pictures, on one page; also the
                        mean deficits, if the recogniser is calibrated for them
    report.json         the values
    *.png               the pictures
    faces.csv           deviation and score of single faces
    high.npz, low.npz   statistics of the sets; pfiq explain --reference compares
                        other faces with high.npz

    Scores are those of this library or, with --scores, a column of a table with a column `path` (relative to FOLDER, to
    the table or to the current folder), for which higher must be better. Faces without a score are left out.

    Files that cannot be read are listed at the end, and the exit code is 1. All other files are used.
    """
    if quality and scores_file:
        raise click.UsageError("--quality and --scores: both choose the score to split by; give only one.")
    if column and not scores_file:
        raise click.UsageError("--column: belongs to --scores, which is missing; give both.")
    note_left_out([folder])
    paths = expand_paths([folder])
    make_folder(output)
    inputs = [*paths, scores_file, detection.detector_file, recognizer_file]
    check_writable([output / name for name in (*REPORT_FILES, *VARIATION_FILES)], inputs)
    new_figure(1, 1)  # fails if matplotlib is not installed
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, None, detection)
    with outcome(recognizer, total=len(paths)) as seen:
        if scores_file:
            score, scores = column_of(scores_file, column, paths, folder)
        else:
            score = quality or default_quality_method(recognizer)
            check_supported("--quality", score, QUALITY_METHODS, recognizer)
            scores = scores_of(recognizer, score, paths, read, seen)
        sets = split_faces(folder, scores, quantile, limit)
        metadata = {"recognizer": identity(recognizer), "activations": activation, "score": score}
        note = seen.note if scores_file else only_errors(seen)  # otherwise the scores have noted all faces
        studied = study_faces(recognizer, paths, read, scores, sets, metadata, output, note)
        source = f"the {quantile:.0%} at either end of {np.isfinite(scores).sum():,} faces in {folder.resolve().name}"
        deficits = deficits_of(recognizer, paths, read, sets)
        report = report_of(studied, deficits, metadata, source=source)
        for name, content in report.files.items():
            write_atomically(output / name, functools.partial(Path.write_bytes, data=content))
        click.echo("\n".join([*report.summary, f"-> {click.format_filename(output / 'report.html')}"]))


def scores_of(recognizer: Recognizer, method: str, paths: list[Path], read: ReadFaces, seen: Outcome) -> np.ndarray:
    """The raw scores of all files; NaN for those that cannot be read."""
    with tqdm(total=len(paths), unit="face", disable=None) as progress:
        measured = measure_files(
            functools.partial(embeddings_and_scores, recognizer, methods=(method,)),
            paths,
            read,
            note=seen.note,
            advance=progress.update,
        )
    scores = np.full(len(paths), math.nan)
    scores[measured.is_read] = measured.scores[method]
    return scores


def column_of(scores_file: Path, column: str | None, paths: list[Path], folder: Path) -> tuple[str, np.ndarray]:
    """The name and the scores of a column of a table; NaN for faces without one."""
    columns = read_scores(scores_file, paths, folder, may_lack=lambda face: True)
    names = textwrap.shorten(", ".join(columns), 100)
    if column is None and len(columns) > 1:
        raise PfiqError(f"{scores_file}: has the columns {names}; choose one with --column.")
    name = column or next(iter(columns))
    if name not in columns:
        raise PfiqError(f"{scores_file}: has no column {name} of numbers, only {names}; choose one with --column.")
    return name, columns[name]


def split_faces(folder: Path, scores: np.ndarray, quantile: float, limit: int) -> Sets:
    """``split``, with the folder named in errors."""
    try:
        return split(scores, quantile=quantile, limit=limit)
    except PfiqError as error:
        raise PfiqError(f"{folder}: {error}") from error


def only_errors(seen: Outcome) -> Callable[[Path, Face | PfiqError], None]:
    """A function that records only the files that cannot be read."""

    def note(path: Path, face: Face | PfiqError) -> None:
        if isinstance(face, PfiqError):
            seen.note(path, face)

    return note


def study_faces(
    recognizer: Recognizer,
    paths: list[Path],
    read: ReadFaces,
    scores: np.ndarray,
    sets: Sets,
    metadata: dict[str, str],
    output: Path,
    note: Callable[[Path, Face | PfiqError], object],
) -> FilesStudy:
    """``study_files`` with a progress bar; saves the statistics of each set as soon as they are computed."""
    compute = functools.partial(ACTIVATION_METHODS[metadata["activations"]].compute, recognizer)
    with tqdm(total=len({*sets.high, *sets.low, *sets.others}), unit="face", disable=None) as progress:
        return study_files(
            compute,
            paths,
            scores,
            sets,
            read,
            central_face(recognizer.preprocessing),
            metadata=metadata,
            note=note,
            advance=progress.update,
            done=lambda name, variation: variation.save(output / f"{name}.npz"),
        )


def deficits_of(recognizer: Recognizer, paths: list[Path], read: ReadFaces, sets: Sets) -> Deficits | None:
    """The deficits of both sets, with a progress bar; None if the recogniser was not calibrated for them."""
    compute = MAP_METHODS[DEFAULT_MAP_METHOD].compute
    regions = face_regions(recognizer.preprocessing)
    found = []
    with tqdm(total=len(sets.high) + len(sets.low), unit="face", disable=None) as progress:
        for indices in (sets.high, sets.low):
            chosen = [paths[index] for index in indices]
            deficits = set_deficits(
                lambda images: compute(recognizer, images).deficit, chosen, read, regions, advance=progress.update
            )
            if deficits is None:
                return None
            found.append(deficits)
    return Deficits(*found)
