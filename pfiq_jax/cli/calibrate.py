"""``pfiq calibrate``: what the scores of a recogniser mean, and what good faces show."""

import math
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from pfiq_jax.calibration import Calibration
from pfiq_jax.cli.inputs import note_left_out
from pfiq_jax.cli.options import (
    FILE,
    check_supported,
    method_list,
    option_detection,
    option_recognizer,
)
from pfiq_jax.cli.outcome import outcome
from pfiq_jax.cli.output_files import check_writable
from pfiq_jax.cli.start import start
from pfiq_jax.evaluation.scores.fit_calibrations import calibrate_files
from pfiq_jax.faces import people_in
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.maps.fit_good_faces import MAX_FACES
from pfiq_jax.quality import QUALITY_METHODS, supported_methods
from pfiq_jax.tables import markdown_table

EXAMPLES = (0.1, 0.5, 0.9)
METHODS = {name: method for name, method in QUALITY_METHODS.items() if method.scale_of is None}


@click.command(epilog=method_list("--quality", METHODS))
@click.argument("folder", type=FILE)
@click.option(
    "-o", "--output", type=FILE, required=True, metavar="FILE.safetensors", help="File for the calibrated weights."
)
@click.option(
    "--quality",
    "qualities",
    multiple=True,
    type=click.Choice(list(METHODS)),
    metavar="METHOD",
    help="Method to calibrate; may be repeated. [default: all methods that take one forward and no backward pass]",
)
@click.option(
    "--reference", metavar="TEXT", help="Description of the faces, saved with the weights. [default: the folder's name]"
)
@option_detection(one_each=True)
@option_recognizer
def calibrate(
    folder: Path,
    output: Path,
    qualities: tuple[str, ...],
    reference: str | None,
    detection: Detection,
    recognizer_file: Path | None,
) -> None:
    """Find out what the quality scores of a recogniser mean, and save it with the recogniser's weights.

    FOLDER contains a few hundred or more aligned faces of the recogniser's size, or photographs. They should be good
    and bad, as in the data that the recogniser is used for. The largest face of each photograph is used. A scale is
    fitted for every method. On it, the scores of these faces spread over 0 to 1, about half of them below 0.5. The
    percentiles of the scores are saved too. Calibrations of other methods in the weights are kept.

    If FOLDER contains a folder for each person, the probability that a mated pair (two faces of one person) fails to
    match is fitted too, at the threshold of a false match rate of 0.001. The person is the first folder below FOLDER.
    Faces that lie in FOLDER itself are scored, but not compared.

    If there are 200 faces or more, the better half of them become the good faces, the reference for deficits:
    `pfiq explain` then shows what a face lacks in comparison.

    Give the calibrated weights as --recognizer, or to pfiq_jax.load_recognizer, to use them.
    """
    note_left_out([folder])
    people = people_in(folder)
    paths = [*people.paths, *people.loose]
    check_writable([output], [*paths, detection.detector_file, recognizer_file])
    recognizer = start(recognizer_file)
    read = reader_of(recognizer, None, detection)
    methods = qualities or supported_methods(recognizer, [name for name in METHODS if METHODS[name].passes == 1])
    for name in methods:
        check_supported("--quality", name, METHODS, recognizer)

    with outcome(recognizer, total=len(paths)) as seen:
        good_faces = min(math.ceil(len(paths) / 2), MAX_FACES)
        with tqdm(total=len(paths) + good_faces, unit="face", disable=None) as progress:
            fitted = calibrate_files(
                recognizer,
                people,
                read,
                methods,
                reference=reference or folder.resolve().name,
                note=seen.note,
                advance=progress.update,
            )
        fitted.recognizer.save(output)
        click.echo(f"{table(fitted.calibrations)}\n-> {click.format_filename(output)}")
        for warning in fitted.warnings:
            click.echo(warning, err=True)


def table(calibrations: Sequence[Calibration]) -> str:
    """What a few scaled scores mean, by every method."""
    rows = []
    for each in calibrations:
        cells = []
        for example in EXAMPLES:
            raw = each.r + np.log(example / (1 - example)) / each.alpha
            failure = each.failure_probability(raw)
            share = f"better than {each.percentile(raw):.0f}%"
            cells.append(share if failure is None else f"{share}, fails {failure:.1%}")
        rows.append([each.method, f"{each.alpha:.4g}", f"{each.r:.4g}", *cells])
    return markdown_table(["method", "alpha", "r", *(f"quality {example:g}" for example in EXAMPLES)], rows)
