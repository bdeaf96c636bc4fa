"""``pfiq evaluate maps``: which map tells best what recognition needs."""

from pathlib import Path

import click
from tqdm import tqdm

from pfiq_jax.cli.experiment import begin
from pfiq_jax.cli.shared import FILE, option_recognizer
from pfiq_jax.evaluation.figure import json_of
from pfiq_jax.evaluation.maps.evaluate_maps import PASSES, RANDOM, evaluate_maps
from pfiq_jax.evaluation.maps.report import maps_table, plot_maps
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS


@click.command()
@click.argument("folder", type=FILE)
@click.option("--method", "names", multiple=True, type=click.Choice((*MAP_METHODS, RANDOM)), help="[default: all]")
@click.option("--limit", type=click.IntRange(2), default=100, show_default=True, help="How many people to take.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Figures; - for stdout. [default: maps.json]")
@option_recognizer
def maps(folder: Path, names: tuple[str, ...], limit: int, json_file: Path | None, weights: Path | None) -> None:
    """Measure how well maps tell which pixels recognition needs.

    FOLDER holds a folder for each person, with aligned faces in it; one of each person is taken. Printed and written
    as maps.md, with curves and examples as maps.png and the figures as maps.json, all with 95% intervals over people:

    \b
    insertion  how near the embedding comes to the clean face's while the pixels of highest quality
               are put into the blurred face; mean cosine, higher is better
    deletion   the same while they are blurred; lower is better

    and more, which the table explains. `random`, a random order of the pixels, is always there as a control; the
    published map is `plq`.

    Faces that cannot be read are listed at the end, and make the exit code 1; all others are evaluated.
    """
    recognizer, sample, report = begin(folder, limit, json_file, "maps", weights)
    methods = {name: MAP_METHODS[name] for name in names or MAP_METHODS if name != RANDOM}

    with tqdm(total=PASSES * len(sample.images) * (len(methods) + 1), unit="pass", disable=None) as progress:
        evaluation = evaluate_maps(recognizer, sample.images, methods, advance=progress.update)
    report.write(json_of(DEFAULT_MAP_METHOD, evaluation.figures), maps_table(evaluation))
    plot_maps(evaluation, sample.images).savefig(report.picture, metadata={"Software": None})
    sample.close(recognizer)
