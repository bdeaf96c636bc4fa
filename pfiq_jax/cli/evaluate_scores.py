"""``pfiq evaluate scores``: an evaluation of quality scores."""

import functools
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
from pfiq_jax.cli.outcome import outcome
from pfiq_jax.cli.report_files import report_files
from pfiq_jax.cli.start import start
from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.controls import RANDOM, random_scores
from pfiq_jax.evaluation.estimate import json_of
from pfiq_jax.evaluation.measure import help_text
from pfiq_jax.evaluation.scores.comparisons import FMR
from pfiq_jax.evaluation.scores.evaluate_scores import (
    DISCARD,
    SCORE_MEASURES,
    ScoresEvaluation,
    evaluate_scores,
)
from pfiq_jax.evaluation.scores.measured_files import measure_files
from pfiq_jax.evaluation.scores.report import plot_scores, scores_table
from pfiq_jax.evaluation.scores.score_table import read_scores
from pfiq_jax.faces.people import People, people_in
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.reading import ReadFaces
from pfiq_jax.quality.methods import (
    DEFAULT_QUALITY_METHOD,
    QUALITY_METHODS,
    embeddings_and_scores,
    supported_methods,
)
from pfiq_jax.recognizers import Recognizer

HELP = f"""Measure how well quality scores predict on which faces a recogniser fails.

FOLDER contains a folder for each person, with aligned faces of the recogniser's size or with photographs. The largest
face of each photograph is used. All faces are compared with each other. Faces that lie in FOLDER itself are left out,
since their person is not known. The report is printed and written as scores.md, with the curves as scores.png and the
values as scores.json, with 95% intervals over people:

{help_text(SCORE_MEASURES)}

Errors are counted at a false match rate (FMR) of {FMR:g}; up to {DISCARD:.0%} of the mated pairs are discarded.

The scores are those of this library and `{RANDOM}` as a control. --scores adds every numeric column of a table with a
column `path` (relative to FOLDER, to the table or to the current folder), for which higher must be better.

Files that cannot be read are listed at the end and make the exit code 1; all others are evaluated."""


@click.command(help=HELP, epilog=method_list("--quality", QUALITY_METHODS))
@click.argument("folder", type=FILE)
@click.option(
    "--quality",
    "qualities",
    multiple=True,
    type=click.Choice((*QUALITY_METHODS, RANDOM)),
    metavar="METHOD",
    help=f"Method to evaluate, see below, or {RANDOM}; may be repeated. [default: all that the recogniser supports, "
    "except those that the run lists as left out]",
)
@click.option(
    "--scores", "scores_file", type=FILE, metavar="CSV|PARQUET", help="Also evaluate the scores of other tools."
)
@click.option(
    "--json", "json_file", type=FILE, metavar="FILE", help="File for the values; - for stdout. [default: scores.json]"
)
@click.option("-o", "--output", type=FILE, metavar="FOLDER", help="Folder for the report. [default: next to the JSON]")
@option_detection(one_each=True)
@option_recognizer
def scores(
    folder: Path,
    qualities: tuple[str, ...],
    scores_file: Path | None,
    json_file: Path | None,
    output: Path | None,
    detection: Detection,
    recognizer_file: Path | None,
) -> None:
    """Evaluates quality scores by the errors of the recogniser."""
    people = known_people(folder)
    inputs = [*people.paths, scores_file, detection.detector_file, recognizer_file]
    files = report_files(json_file, "scores", inputs, folder=output)
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, None, detection)
    methods = qualities or default_methods(recognizer)
    ours = tuple(name for name in methods if name != RANDOM)
    for name in ours:
        check_supported("--quality", name, QUALITY_METHODS, recognizer)
    others = scores_of_others(scores_file, people.paths, folder, read, methods) if scores_file else {}
    with outcome(recognizer, total=len(people.paths)) as seen:
        with tqdm(total=len(people.paths), unit="face", disable=None) as progress:
            measured = measure_files(
                functools.partial(embeddings_and_scores, recognizer, methods=ours),
                people.paths,
                read,
                note=seen.note,
                advance=progress.update,
            )
        columns = measured.scores | {RANDOM: random_scores(len(measured.embeddings))}
        columns = {name: columns[name] for name in methods}
        columns |= {name: values[measured.is_read] for name, values in others.items()}
        evaluation = evaluate(folder, measured.embeddings, np.array(people.identities)[measured.is_read], columns)
        files.write(json_of(DEFAULT_QUALITY_METHOD, evaluation.estimates), scores_table(evaluation))
        files.write_picture(plot_scores(evaluation)[0])


def known_people(folder: Path) -> People:
    """The faces whose person is known, with a warning about all others."""
    note_left_out([folder])
    people = people_in(folder)
    if not people.paths:
        raise PfiqError(
            f"{folder}: contains no folders with faces; give a folder that contains a folder for each person."
        )
    if people.loose:
        click.echo(f"Warning: {len(people.loose)} faces lie in no person's folder and are left out.", err=True)
    return people


def default_methods(recognizer: Recognizer) -> tuple[str, ...]:
    """The methods to evaluate if none is chosen; reports on stderr which ones are left out and why."""
    tried = [name for name in QUALITY_METHODS if not QUALITY_METHODS[name].on_request]
    supported = supported_methods(recognizer, tried)
    if unsupported := [name for name in tried if name not in supported]:
        click.echo(f"Left out, since this recogniser does not support them: {', '.join(unsupported)}.", err=True)
    click.echo(
        f"Left out unless named by --quality: {', '.join(name for name in QUALITY_METHODS if name not in tried)}.",
        err=True,
    )
    return (*supported, RANDOM)


def scores_of_others(
    scores_file: Path, paths: list[Path], folder: Path, read: ReadFaces, methods: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """The scores of other tools; faces that cannot be read may lack a score."""

    def is_unreadable(path: Path) -> bool:
        try:
            read(path)
        except PfiqError:
            return True
        return False

    warn = functools.partial(click.echo, err=True)
    scores = read_scores(
        scores_file, paths, folder, may_lack=is_unreadable, left_out=lambda sentence: warn(f"Warning: {sentence}")
    )
    if taken := [name for name in scores if name in methods]:
        raise PfiqError(
            f"{scores_file}: column {taken[0]} has the name of a method of this library; rename the column."
        )
    return scores


def evaluate(
    folder: Path, embeddings: np.ndarray, identities: np.ndarray, columns: dict[str, np.ndarray]
) -> ScoresEvaluation:
    """``evaluate_scores``, with the folder named in errors and the warning on stderr."""
    try:
        evaluation = evaluate_scores(embeddings, identities, columns)
    except PfiqError as error:
        raise PfiqError(f"{folder}: {error}") from error
    if evaluation.warning:
        click.echo(f"Warning: {evaluation.warning}", err=True)
    return evaluation
