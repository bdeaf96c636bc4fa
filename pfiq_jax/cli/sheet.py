"""``pfiq sheet``: many faces and their maps in one picture, to compare conditions by eye."""

from pathlib import Path

import click

from pfiq_jax.cli.inputs import note_left_out
from pfiq_jax.cli.options import FILE, option_detection, option_recognizer
from pfiq_jax.cli.outcome import outcome
from pfiq_jax.cli.output_files import check_writable
from pfiq_jax.cli.report_files import save_picture
from pfiq_jax.cli.start import start
from pfiq_jax.evaluation.maps.explained import explain_faces
from pfiq_jax.faces import expand_paths
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.reading import read_faces
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS
from pfiq_jax.plot_style import new_figure
from pfiq_jax.plotting import plot_faces
from pfiq_jax.quality import default_quality_method

FACES = 60
COLUMNS = 10
NAME_LENGTH = 14  # of the name above a face, so that it does not run into the next one


@click.command()
@click.argument("folder", type=FILE)
@click.option("-o", "--output", type=FILE, default="sheet.png", metavar="PNG", show_default=True, help="File to write.")
@option_detection(one_each=True)
@option_recognizer
def sheet(folder: Path, output: Path, detection: Detection, recognizer_file: Path | None) -> None:
    """Draw all faces of a folder in one picture: each face with its quality, its map and its deficit.

    Faces are sorted by name, so that the faces of one person under several conditions (as in ICAO's requirements for
    passports: headgear, glasses, pose, light) are next to each other. If there are more than 60 faces, only the first
    60 are drawn.

    An image of the recogniser's size, 112x112 pixels for most, is assumed to be an aligned face (ArcFace template). In
    other images, the largest face is detected and aligned.
    """
    note_left_out([folder])
    paths = expand_paths([folder])
    if output.suffix.lower() != ".png":
        raise click.UsageError(f"{output}: is not a .png file; give one.")
    check_writable([output], [*paths, detection.detector_file, recognizer_file])
    new_figure(1, 1)  # fails before the work if matplotlib is not installed
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, None, detection)
    with outcome(recognizer, total=min(len(paths), FACES)) as seen:
        faces = read_faces(paths[:FACES], read, note=seen.note)
        compute = MAP_METHODS[DEFAULT_MAP_METHOD].compute
        qualities, maps, deficits = explain_faces(compute, recognizer, faces.images)
        seen.note_qualities(default_quality_method(recognizer), qualities)
        seen.note_deficits(deficits)
        titles = [f"{shortened(path)}\n{quality:.3f}" for path, quality in zip(faces.paths, qualities, strict=True)]
        below = {} if deficits is None else {"deficit": deficits}
        columns = min(COLUMNS, len(titles))
        save_picture(plot_faces(faces.images, titles, {"map": maps}, below, columns=columns), output)
        click.echo(f"{len(titles)} faces -> {click.format_filename(output)}")
        if len(paths) > FACES:
            click.echo(f"Only the first {FACES} of {len(paths)} faces are drawn; give folders with fewer.", err=True)


def shortened(path: Path) -> str:
    """A file's name, without its middle if it is long: numbers and conditions are often at the end."""
    name = click.format_filename(path.stem)
    half = NAME_LENGTH // 2
    return name if len(name) <= NAME_LENGTH else f"{name[:half]}…{name[1 - half :]}"
