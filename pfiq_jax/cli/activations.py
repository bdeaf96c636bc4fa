"""``pfiq activations``: why faces are judged good or bad, by what the recogniser looks at."""

import csv
import functools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import click
import jax
import numpy as np
from tqdm import tqdm

from pfiq_jax.cli.experiment import measure, tell_of_problems
from pfiq_jax.cli.shared import FILE, check_writable, identity, option_recognizer, reader_of, start
from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.score_table import read_scores
from pfiq_jax.faces import expand_paths, over_files
from pfiq_jax.maps import ACTIVATION_METHODS, DEFAULT_ACTIVATION_METHOD
from pfiq_jax.plotting import new_figure
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method
from pfiq_jax.variation import central_face, deviation
from pfiq_jax.variation.report import (
    figures_of,
    findings_of,
    html_page,
    plot_densities,
    plot_deviations,
    plot_relation,
    plot_statistics,
    png_of,
    rows_of,
)
from pfiq_jax.variation.study import SMALLEST_SET, Study, split, study

DRAWN = 4  # faces of either end of the scores
FILES = ("report.html", "report.json", "faces.csv", "high.npz", "low.npz")
PICTURES = {
    "statistics.png": "Activation maps of both sets, and what the low set has more of; outlined: the central face.",
    "densities.png": "How the pixels of these maps spread; dotted: their means.",
    "faces.png": "The best and the worst faces: activation, and how far it is from what good faces show.",
    "deviations.png": "Faces outside the good set: how far each is from what good faces show, and its score.",
}


@click.command()
@click.argument("folder", type=FILE)
@click.option(
    "-o", "--output", type=FILE, default="activations", metavar="REPORT", help="Folder. [default: activations]"
)
@click.option("--method", type=click.Choice(list(QUALITY_METHODS)), help="Score to split by. [default: as pfiq score]")
@click.option("--scores", "table", type=FILE, metavar="CSV|PARQUET", help="Scores of another tool to split by.")
@click.option("--column", metavar="NAME", help="Of --scores, where it has several.")
@click.option(
    "--quantile",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.1,
    show_default=True,
    help="Share of the faces in either set.",
)
@click.option(
    "--limit", type=click.IntRange(SMALLEST_SET), default=100, show_default=True, help="Faces of each set to look at."
)
@click.option(
    "--map",
    "kind",
    type=click.Choice(list(ACTIVATION_METHODS)),
    default=DEFAULT_ACTIVATION_METHOD,
    show_default=True,
    help="Activation map.",
)
@option_recognizer
def activations(
    folder: Path,
    output: Path,
    method: str | None,
    table: Path | None,
    column: str | None,
    quantile: float,
    limit: int,
    kind: str,
    weights: Path | None,
) -> None:
    """Show why faces are judged good or bad: where the recogniser looks, and how much that varies.

    FOLDER holds aligned faces. The tenth of the highest scores and that of the lowest are two sets, whose activation
    maps vary each in their own way. Written into REPORT:

    \b
    report.html         what was found, with all pictures, on one page
    report.json         the figures;  *.png  the pictures;  faces.csv  deviation and score of single faces
    high.npz, low.npz   statistics of the sets; with the first, pfiq explain --reference compares other faces

    Scores are those of this library, or with --scores a column of a table with a column `path` (relative to FOLDER, to
    the table or to the current folder), of which higher must be better; faces without a score are left out.

    Faces that cannot be read are listed at the end, and make the exit code 1; all others are used.
    """
    if method and table:
        raise click.UsageError("--method and --scores both say what to split by; give one.")
    if column and not table:
        raise click.UsageError("--column is of --scores; give the table too.")
    paths = expand_paths([folder])
    output.mkdir(parents=True, exist_ok=True)
    inputs = [path for path in (*paths, table, weights) if path]
    check_writable([output / name for name in (*FILES, *PICTURES)], inputs)
    new_figure(1, 1)  # finds out before the work whether pictures can be drawn
    recognizer = start(weights)
    read = reader_of(recognizer, None)

    problems: dict[Path, str] = {}
    if table:
        name, scores = _column(table, column, paths, folder)
    else:
        name = method or default_quality_method(recognizer)
        measured = measure(recognizer, paths, read, (name,))
        scores = np.full(len(paths), math.nan)
        scores[measured.is_read] = measured.scores[name]
        problems |= zip(np.array(paths)[~measured.is_read], measured.problems, strict=True)
    try:
        sets = split(scores, quantile=quantile, limit=limit)
    except PfiqError as error:
        raise PfiqError(f"{folder}: {error}") from error

    compute = functools.partial(jax.jit(ACTIVATION_METHODS[kind]), recognizer)
    ends = {*sets.high[-DRAWN:].tolist(), *sets.low[:DRAWN].tolist()}
    drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    squeezed: set[Path] = set()

    def maps_of(indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        files = over_files(compute, [paths[i] for i in indices], read, size=recognizer.preprocessing.size)
        for index, (path, face, map) in zip(indices.tolist(), (row for batch in files for row in batch), strict=True):
            progress.update()
            if isinstance(face, PfiqError):
                problems[path] = str(face)
                continue
            if face.squeezed:
                squeezed.add(path)
            if index in ends:
                drawn[index] = face.image, map
            yield index, map

    region = central_face(recognizer.preprocessing)
    metadata = {"recognizer": identity(recognizer), "activations": kind, "score": name}
    with tqdm(total=len({*sets.high, *sets.low, *sets.others}), unit="face", disable=None) as progress:
        found = study(
            maps_of,
            sets,
            region,
            metadata=metadata,
            done=lambda set, variation: variation.save(output / f"{set}.npz"),  # an interrupted run keeps what it had
        )

    figures = figures_of(found, scores[found.others], region)
    findings = findings_of(figures, name)
    drawings = {
        "statistics.png": plot_statistics(found.high, found.low, region),
        "densities.png": plot_densities(found.high, found.low, region),
        "faces.png": _examples(found, drawn, scores),
        "deviations.png": plot_relation(scores[found.others], found.whole, name),
    }
    images = {picture: png_of(drawing) for picture, drawing in drawings.items()}
    for picture, png in images.items():
        (output / picture).write_bytes(png)
    about = (
        f"{found.high.count} faces of the highest and {found.low.count} of the lowest {name}, of the "
        f"{quantile:.0%} at either end of {np.isfinite(scores).sum():,} faces in {folder.resolve().name}; "
        f"{len(found.others)} single faces from all outside the good end. Activation maps: {kind}, of {recognizer}."
    )
    captions = {PICTURES[picture]: png for picture, png in images.items()}
    page = html_page(f"Activation maps by {name}", [about, *findings], rows_of(figures), captions)
    (output / "report.html").write_text(page, encoding="utf-8")
    counts = {"high": found.high.count, "low": found.low.count, "others": len(found.others)}
    report = {
        **metadata,
        "faces": counts,
        "findings": findings,
        "figures": {key: each if math.isfinite(each) else None for key, each in figures.items()},
    }
    (output / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with (output / "faces.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("path", "score", "deviation", "deviation_outside"))
        for index, whole, outside in zip(found.others, found.whole, found.outside, strict=True):
            rows.writerow((paths[index], f"{scores[index]:.6g}", f"{whole:.6g}", f"{outside:.6g}"))
    click.echo("\n".join([about, *findings, f"-> {click.format_filename(output / 'report.html')}"]))
    tell_of_problems(recognizer, len(squeezed), list(problems.values()), len(paths))
    if problems:
        raise SystemExit(1)


def _column(table: Path, column: str | None, paths: list[Path], folder: Path) -> tuple[str, np.ndarray]:
    """The scores to split by; NaN for faces without one."""
    columns = read_scores(table, paths, folder, may_lack=lambda face: True)
    names = ", ".join(columns)
    if column is None and len(columns) > 1:
        raise PfiqError(f"{table}: has the columns {names}; choose one with --column.")
    name = column or next(iter(columns))
    if name not in columns:
        raise PfiqError(f"{table}: has no column {name} of numbers, but {names}; choose one with --column.")
    return name, columns[name]


def _examples(found: Study, drawn: dict[int, tuple[np.ndarray, np.ndarray]], scores: np.ndarray) -> object:
    """The best faces, then the worst."""
    indices = sorted(drawn, key=lambda index: -scores[index])
    images, maps = (np.stack(each) for each in zip(*(drawn[index] for index in indices), strict=True))
    titles = [f"{scores[index]:.4g}" for index in indices]
    return plot_deviations(images, titles, maps, deviation(found.high, maps))
