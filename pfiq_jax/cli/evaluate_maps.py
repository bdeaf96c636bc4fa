"""``pfiq evaluate maps``, ``masks`` and ``inpainting``: evaluations of pixel maps."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from pfiq_jax.cli.inputs import note_left_out
from pfiq_jax.cli.options import FILE, method_list, option_detection, option_recognizer
from pfiq_jax.cli.outcome import outcome
from pfiq_jax.cli.report_files import ReportFiles, report_files
from pfiq_jax.cli.start import start
from pfiq_jax.evaluation.controls import DETAIL, MEAN_MAP, RANDOM, SHUFFLED
from pfiq_jax.evaluation.estimate import json_of
from pfiq_jax.evaluation.maps.covers import COVERS
from pfiq_jax.evaluation.maps.evaluate_maps import evaluate_maps, passes_per_face
from pfiq_jax.evaluation.maps.inpainting import INPAINTING_MEASURES, STATES, evaluate_inpainting
from pfiq_jax.evaluation.maps.map_measures import MAP_MEASURES
from pfiq_jax.evaluation.maps.masks import MASK_MEASURES, MASK_SIZES, evaluate_masks
from pfiq_jax.evaluation.maps.pictures import plot_inpainting, plot_maps, plot_masks
from pfiq_jax.evaluation.maps.report import inpainting_table, json_of_rows, maps_table, masks_table
from pfiq_jax.evaluation.measure import Measure, help_text
from pfiq_jax.faces.people import one_face_each, people_in
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.reading import read_faces
from pfiq_jax.maps.methods import DEFAULT_MAP_METHOD, MAP_METHODS
from pfiq_jax.quality import default_quality_method

SAMPLE = (
    "FOLDER contains a folder for each person, with aligned faces of the recogniser's size or with photographs. The "
    "largest face of each photograph is used. One face of each person is used; a face that lies in FOLDER itself "
    "counts as a person of its own. The report is printed and written as {0}.md, with a picture {0}.png "
    "and the values as {0}.json, with 95% intervals over people:"
)
UNREADABLE = "Files that cannot be read are listed at the end and make the exit code 1; all others are evaluated."

PUBLISHED = "plq"
CONTROLS = (PUBLISHED, RANDOM, MEAN_MAP, DETAIL, SHUFFLED)

option_map = click.option(
    "--map",
    "map_method",
    type=click.Choice(tuple(MAP_METHODS)),
    default=DEFAULT_MAP_METHOD,
    metavar="METHOD",
    show_default=True,
    help="Map method; see below.",
)


def experiment(about: str, measures: tuple[Measure, ...], note: str = "") -> Callable[[Callable[..., None]], Any]:
    """A decorator that makes a subcommand with the options that all three have. Its help describes its measures.

    Args:
        about: what the subcommand does, in one sentence.
        measures: of its report; the help describes those of the first table.
        note: the end of the help, after the measures.
    """

    def decorate(function: Callable[..., None]) -> Any:
        name = function.__name__
        shown = [measure for measure in measures if measure.table == 0]
        paragraphs = (about, SAMPLE.format(name), help_text(shown), note, UNREADABLE)
        for option in reversed(
            (
                click.argument("folder", type=FILE),
                click.option(
                    "--limit", type=click.IntRange(2), default=100, show_default=True, help="Largest number of people."
                ),
                click.option(
                    "--json",
                    "json_file",
                    type=FILE,
                    metavar="FILE",
                    help=f"File for the values; - for stdout. [default: {name}.json]",
                ),
                option_detection(one_each=True),
                option_recognizer,
            )
        ):
            function = option(function)
        text = "\n\n".join(filter(None, paragraphs))
        return click.command(name, help=text, epilog=method_list("--map", MAP_METHODS))(function)

    return decorate


def prepare(
    folder: Path, limit: int, json_file: Path | None, name: str, weights: Sequence[Path | None]
) -> tuple[list[Path], ReportFiles]:
    """The faces to use and the files of the report; errors in either come before any work."""
    note_left_out([folder])
    paths = one_face_each(people_in(folder), limit)
    files = report_files(json_file, name, [*paths, *weights])
    return paths, files


@experiment(
    "Measure how well maps show which pixels recognition depends on.",
    MAP_MEASURES,
    f"The report has more measures and a legend. It always includes the controls: {PUBLISHED}, the published map; "
    f"{RANDOM}, a random order; {MEAN_MAP}, the mean default map of the other faces; {DETAIL}, the energy of the "
    f"image's detail; {SHUFFLED}, the default map of a network whose weights are shuffled.",
)
@click.option(
    "--map",
    "map_methods",
    multiple=True,
    default=(DEFAULT_MAP_METHOD,),
    type=click.Choice((*MAP_METHODS, *CONTROLS[1:])),
    metavar="METHOD",
    show_default=True,
    help="Map method; see below. May be repeated.",
)
def maps(
    folder: Path,
    limit: int,
    json_file: Path | None,
    detection: Detection,
    recognizer_file: Path | None,
    map_methods: tuple[str, ...],
) -> None:
    """Evaluates map methods by covers, deletion, insertion and sanity checks."""
    paths, files = prepare(folder, limit, json_file, "maps", (detection.detector_file, recognizer_file))
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, None, detection)
    with outcome(recognizer, total=len(paths)) as seen:
        images = read_faces(paths, read, note=seen.note).images
        methods = {name: MAP_METHODS[name] for name in (*map_methods, PUBLISHED) if name in MAP_METHODS}
        default = MAP_METHODS[DEFAULT_MAP_METHOD]
        with tqdm(total=passes_per_face(methods, default) * len(images), unit="pass", disable=None) as progress:
            evaluation = evaluate_maps(recognizer, images, methods, default, advance=progress.update)
        files.write(json_of(DEFAULT_MAP_METHOD, evaluation.estimates), maps_table(evaluation))
        files.write_picture(plot_maps(evaluation, images))


@experiment(
    "Measure whether a map finds the square that covers a part of a good face.",
    MASK_MEASURES,
    "Squares of 10 to 50 pixels are drawn at random places on the half of the faces with the highest quality. "
    "By default they hold the texture of another photograph; those of the PLQ paper are black.",
)
@option_map
@click.option(
    "--cover",
    "kind",
    type=click.Choice(tuple(COVERS)),
    default="texture",
    metavar="KIND",
    show_default=True,
    help=f"What the squares hold: {', '.join(COVERS)}.",
)
def masks(
    folder: Path,
    limit: int,
    json_file: Path | None,
    detection: Detection,
    recognizer_file: Path | None,
    map_method: str,
    kind: str,
) -> None:
    """Evaluates a map method on faces with squares."""
    paths, files = prepare(folder, limit, json_file, "masks", (detection.detector_file, recognizer_file))
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, None, detection)
    with outcome(recognizer, total=len(paths)) as seen:
        images = read_faces(paths, read, note=seen.note).images
        with tqdm(total=len(MASK_SIZES), unit="size", disable=None) as progress:
            compute = MAP_METHODS[map_method].compute
            evaluation = evaluate_masks(recognizer, images, compute, kind=kind, advance=progress.update)
        seen.note_qualities(default_quality_method(recognizer), evaluation.clean.quality)
        files.write(json_of_rows(map_method, evaluation.estimates), masks_table(evaluation, map_method, kind))
        files.write_picture(plot_masks(evaluation, map_method, kind))


@experiment(
    "Measure whether score and map rise when an occlusion is removed.",
    INPAINTING_MEASURES,
    "Sunglasses, a scarf or a hand are drawn on each face, then the covered pixels are estimated from other faces.",
)
@option_map
def inpainting(
    folder: Path,
    limit: int,
    json_file: Path | None,
    detection: Detection,
    recognizer_file: Path | None,
    map_method: str,
) -> None:
    """Evaluates a map method on faces that are occluded and restored."""
    paths, files = prepare(folder, limit, json_file, "inpainting", (detection.detector_file, recognizer_file))
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, None, detection)
    with outcome(recognizer, total=len(paths)) as seen:
        images = read_faces(paths, read, note=seen.note).images
        with tqdm(total=len(STATES), unit="state", disable=None) as progress:
            evaluation = evaluate_inpainting(
                recognizer, images, MAP_METHODS[map_method].compute, advance=progress.update
            )
        seen.note_qualities(default_quality_method(recognizer), evaluation.explained["clean"].quality)
        files.write(json_of_rows(map_method, evaluation.estimates), inpainting_table(evaluation, map_method))
        files.write_picture(plot_inpainting(evaluation, map_method))
