"""``pfiq sheet``: many faces and their maps in one picture, to compare conditions by eye."""

from pathlib import Path

import click

from pfiq_jax.cli.experiment import read_sample
from pfiq_jax.cli.shared import FILE, check_writable, option_recognizer, start
from pfiq_jax.evaluation.maps.explained import explain_faces
from pfiq_jax.evaluation.maps.report import plot_faces
from pfiq_jax.faces import expand_paths
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS
from pfiq_jax.plotting import new_figure

FACES = 60
COLUMNS = 10
NAME_LENGTH = 16  # of a name above a face; more would run into the next one


@click.command()
@click.argument("folder", type=FILE)
@click.option("-o", "--output", type=FILE, default="sheet.png", metavar="PNG", show_default=True, help="Where to.")
@option_recognizer
def sheet(folder: Path, output: Path, weights: Path | None) -> None:
    """Draw all faces of a folder in one picture, each with its quality and its map beneath.

    Faces are sorted by name, so that those of one person under several conditions (as in ICAO's requirements for
    passports: headgear, glasses, pose, light) stand beside each other; the first 60 are drawn.

    Images should be aligned faces of the recogniser's size, 112x112 pixels for most (ArcFace template).
    """
    paths = expand_paths([folder])
    if output.suffix.lower() != ".png":
        raise click.UsageError(f"{output} is no .png file; name one.")
    check_writable([output], [*paths, *([weights] if weights else [])])
    new_figure(1, 1)  # finds out before the work whether pictures can be drawn
    recognizer = start(weights)
    sample = read_sample(recognizer, paths[:FACES])
    result = explain_faces(MAP_METHODS[DEFAULT_MAP_METHOD].compute, recognizer, sample.images)
    titles = [f"{shortened(path)}\n{quality:.3f}" for path, quality in zip(sample.paths, result.quality, strict=True)]
    columns = min(COLUMNS, len(titles))
    figure = plot_faces(sample.images, titles, {"map": result.map}, columns)
    figure.savefig(output, metadata={"Software": None})
    click.echo(f"{len(titles)} faces -> {click.format_filename(output)}")
    if len(paths) > FACES:
        click.echo(f"Only the first {FACES} of {len(paths)} faces are drawn; give folders with fewer.", err=True)
    sample.close(recognizer)


def shortened(path: Path) -> str:
    """A file's name without its middle, if need be: numbers and conditions tend to stand at the end."""
    name = click.format_filename(path.stem)
    half = NAME_LENGTH // 2
    return name if len(name) <= NAME_LENGTH else f"{name[:half]}…{name[1 - half :]}"
