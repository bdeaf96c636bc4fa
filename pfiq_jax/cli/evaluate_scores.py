"""``pfiq evaluate scores``: which score tells best on which faces a recogniser fails."""

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from pfiq_jax.cli.experiment import measure, report_beside, tell_of_doubtful
from pfiq_jax.cli.shared import FILE, option_recognizer, reader_of, start
from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.evaluate_scores import (
    RANDOM,
    evaluate_scores,
    random_scores,
    supported_methods,
)
from pfiq_jax.evaluation.scores.report import json_report, markdown_table, plot_scores
from pfiq_jax.evaluation.scores.score_table import read_scores
from pfiq_jax.faces import Face, expand_paths
from pfiq_jax.quality.methods import DEFAULT_QUALITY_METHOD, OPT_IN_METHODS, QUALITY_METHODS


@click.command()
@click.argument("folder", type=FILE)
@click.option(
    "--method", "methods", multiple=True, type=click.Choice((*QUALITY_METHODS, RANDOM)), help="[default: most that run]"
)
@click.option("--scores", "table", type=FILE, metavar="CSV|PARQUET", help="Also evaluate the scores of other tools.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Figures; - for stdout. [default: scores.json]")
@click.option("-o", "--output", type=FILE, metavar="FOLDER", help="Where to. [default: beside the JSON file]")
@option_recognizer
def scores(
    folder: Path,
    methods: tuple[str, ...],
    table: Path | None,
    json_file: Path | None,
    output: Path | None,
    weights: Path | None,
) -> None:
    """Measure how well quality scores tell on which faces a recogniser fails.

    FOLDER holds a folder for each person, with aligned faces in it (as pfiq score takes them). All are compared with
    all. Printed and written as scores.md, with the curves as scores.png and the figures as scores.json, all with 95%
    intervals over people:

    \b
    pauc  false non-match rate at FMR 0.001 while up to 30% of the mated pairs are discarded, the worst first,
          over the one without discarding; lower is better, 1 is no gain
    fnmr  false non-match rate after discarding 30%; lower is better
    rce   rank consistency: whether the faces that cause errors are those of low quality; higher is better

    The methods are those of this library, and `random` as a control. --scores adds every numeric column of a table
    with a column `path` (relative to FOLDER, to the table or to the current folder), of which higher must be better.

    Faces that cannot be read are listed at the end, and make the exit code 1; all others are evaluated.
    """
    people = _faces_by_person(folder)
    paths = list(people)
    inputs = [path for path in (*paths, table, weights) if path]
    report = report_beside(json_file or (output or Path()) / "scores.json", "scores", inputs, folder=output)
    recognizer = start(weights)
    read = reader_of(recognizer, None)

    tried = [name for name in QUALITY_METHODS if name not in OPT_IN_METHODS]
    ours = methods or (*supported_methods(recognizer, tried), RANDOM)
    if left_out := [name for name in tried if not methods and name not in ours]:
        click.echo(f"Left out, since this recogniser cannot do them: {', '.join(left_out)}.", err=True)
    if not methods:
        click.echo(f"Left out unless named by --method: {', '.join(OPT_IN_METHODS)}.", err=True)
    others = read_scores(table, paths, folder, may_lack=lambda face: not _can_be_read(face, read)) if table else {}
    if taken := [name for name in others if name in ours]:
        raise PfiqError(f"{table}: column {taken[0]} is named like a method of this library; rename it.")

    measured = measure(recognizer, paths, read, tuple(name for name in ours if name != RANDOM))
    columns: dict[str, np.ndarray] = {
        name: random_scores(len(measured.embeddings)) if name == RANDOM else measured.scores[name] for name in ours
    }
    columns |= {name: values[measured.is_read] for name, values in others.items()}
    try:
        identities = np.array(list(people.values()))[measured.is_read]
        evaluation = evaluate_scores(measured.embeddings, identities, columns)
        report.write(json_report(evaluation, DEFAULT_QUALITY_METHOD), markdown_table(evaluation))
        if evaluation.warning:
            click.echo(f"Warning: {evaluation.warning}", err=True)
        figure, _ = plot_scores(evaluation)  # last, since it needs what may not be installed
        figure.savefig(report.picture, metadata={"Software": None})  # the same bytes under every matplotlib
    except PfiqError as error:
        raise PfiqError(f"{folder}: {error}") from error
    finally:
        tell_of_doubtful(recognizer, measured)
    if measured.problems:
        raise SystemExit(1)


def _faces_by_person(folder: Path) -> dict[Path, str]:
    """The person of each face: the name of the folder in FOLDER that holds it."""
    if not folder.is_dir():
        raise PfiqError(f"{folder}: is no folder; give one that holds a folder for each person.")
    people = {}
    beside = 0
    for path in expand_paths([folder]):
        parts = path.relative_to(folder).parts
        if len(parts) > 1:
            people[path] = parts[0]
        else:
            beside += path != folder
    if not people:
        raise PfiqError(f"{folder}: holds no folders with faces; give one that holds a folder for each person.")
    if beside:
        click.echo(f"Warning: {beside} faces lie in no person's folder and are left out.", err=True)
    return people


def _can_be_read(path: Path, read: Callable[[Path], Face]) -> bool:
    try:
        read(path)
    except PfiqError:
        return False
    return True
