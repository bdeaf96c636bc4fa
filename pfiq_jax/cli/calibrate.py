"""``pfiq calibrate``: what the scores of a recogniser mean."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from pfiq_jax.calibration import MIN_FACES, Calibration
from pfiq_jax.cli.experiment import measure, tell_of_doubtful
from pfiq_jax.cli.shared import FILE, check_writable, option_recognizer, reader_of, start
from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.comparisons import Comparisons, compare_all_pairs, threshold_at_fmr
from pfiq_jax.faces import expand_paths
from pfiq_jax.quality import QUALITY_METHODS, supported_methods

FMR = 1e-3
EXAMPLES = (0.1, 0.5, 0.9)
METHODS = tuple(name for name in QUALITY_METHODS if name != "ser_fiq")  # its closed form is its limit
ONE_PASS = ("relative_norm", "ser_fiq_closed_form", "magface", "cr_fiqa")


@click.command()
@click.argument("folder", type=FILE)
@click.option(
    "-o", "--output", type=FILE, required=True, metavar="FILE.safetensors", help="Where the calibrated weights go."
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(METHODS),
    help="What to calibrate. [default: all that take one pass]",
)
@click.option("--reference", metavar="TEXT", help="What the faces are, in words. [default: the folder's name]")
@option_recognizer
def calibrate(
    folder: Path, output: Path, methods: tuple[str, ...], reference: str | None, weights: Path | None
) -> None:
    """Find out what the quality scores of a recogniser mean, and write it into its weights.

    FOLDER holds aligned faces, good and bad as they come, a few hundred or more. The scores of every method are put on
    a scale on which these faces spread over 0 to 1, half of them below 0.5, and their percentiles are kept; what the
    weights know of other methods stays. Where the faces lie in a folder for each person, the probability that a
    comparison with another face of the person fails is fitted too, at the threshold of a false match rate of 0.001.

    pfiq and pfiq_jax.load_recognizer use what is found where the calibrated weights are named.
    """
    paths = expand_paths([folder])
    check_writable([output], [path for path in (*paths, weights) if path])
    recognizer = start(weights)
    methods = methods or supported_methods(recognizer, ONE_PASS)

    measured = measure(recognizer, paths, reader_of(recognizer, None), methods)
    tell_of_doubtful(recognizer, measured)
    count = len(measured.embeddings)
    if count < MIN_FACES:
        raise PfiqError(f"{folder}: {count} faces are too few to calibrate; give {MIN_FACES} or more.")

    people = [str(path.parent) for path, is_read in zip(paths, measured.is_read, strict=True) if is_read]
    comparisons = compare_all_pairs(measured.embeddings, people, fmr=FMR)
    failures = _failures(comparisons)
    words = f"{reference or folder.resolve().name}, {count} faces"
    calibrations = [Calibration.fit(name, measured.scores[name], reference=words, **failures) for name in methods]
    for calibration in calibrations:
        recognizer = recognizer.calibrated(calibration)
    recognizer.save(output)
    click.echo(_table(calibrations))
    if not failures:
        click.echo("No two faces of one person fail to match, so the probability of that is not known.", err=True)
    click.echo(f"-> {click.format_filename(output)}")
    if measured.problems:
        raise SystemExit(1)


def _failures(comparisons: Comparisons) -> dict[str, Any]:
    """The mated comparisons and which of them fail, as ``calibrate`` takes them; nothing if all or none do."""
    if not (comparisons.non_mated_count and len(comparisons.mated)):
        return {}
    threshold = threshold_at_fmr(comparisons, FMR)
    failed = comparisons.mated_similarity < threshold
    if failed.all() or not failed.any():
        return {}
    return {"pairs": comparisons.mated, "failed": failed, "threshold": threshold, "fmr": FMR}


def _table(calibrations: list[Calibration]) -> str:
    """What a few scores mean, by every method."""
    heads = [f"quality {example:g}" for example in EXAMPLES]
    lines = ["| method | alpha | r | " + " | ".join(heads) + " |", "|---|---:|---:|" + "---|" * len(EXAMPLES)]
    for each in calibrations:
        cells = []
        for example in EXAMPLES:
            raw = each.r + np.log(example / (1 - example)) / each.alpha
            cell = f"better than {each.percentile(raw):.0f}%"
            failure = each.failure_probability(raw)
            cells.append(cell if failure is None else f"{cell}, fails {failure:.1%}")
        lines.append(f"| {each.method} | {each.alpha:.4g} | {each.r:.4g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
