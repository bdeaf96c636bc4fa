"""``pfiq calibrate``: what the scores of a recogniser mean."""

from pathlib import Path

import click
import jax
import numpy as np
from tqdm import tqdm

from pfiq_jax import scoring
from pfiq_jax.cli.shared import FILE, check_writable, option_recognizer, reader_of, start
from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.comparisons import Comparisons, compare_all_pairs, threshold_at_fmr
from pfiq_jax.evaluation.scores import embeddings_and_scores, supported_methods
from pfiq_jax.quality import calibrate as fit
from pfiq_jax.quality.calibration import MIN_FACES
from pfiq_jax.recognizers import Calibration

FMR = 1e-3
EXAMPLES = (0.1, 0.5, 0.9)


@click.command()
@click.argument("folder", type=FILE)
@click.option(
    "-o", "--output", type=FILE, required=True, metavar="FILE.safetensors", help="Where the calibrated weights go."
)
@click.option("--reference", metavar="TEXT", help="What the faces are, in words. [default: the folder's name]")
@option_recognizer
def calibrate(folder: Path, output: Path, reference: str | None, weights: Path | None) -> None:
    """Find out what the quality scores of a recogniser mean, and write it into its weights.

    FOLDER holds aligned faces, good and bad as they come, a few hundred or more. For every method that the recogniser
    can do, its scores are put on a scale on which these faces spread over 0 to 1, half of them below 0.5, and their
    percentiles are kept. Where the faces lie in a folder for each person, the probability that a comparison with
    another face of the person fails is fitted too, at the threshold of a false match rate of 0.001.

    pfiq and pfiq_jax.load_recognizer use what is found where the calibrated weights are named.
    """
    paths = scoring.expand_paths([folder])
    check_writable([output], [path for path in (*paths, weights) if path])
    recognizer = start(weights)
    methods = tuple(name for name in supported_methods(recognizer) if name != "ser_fiq")  # its closed form is its limit

    rows, people, problems = [], [], []
    with tqdm(total=len(paths), unit="face", disable=None) as progress:
        for batch in scoring.over_files(
            lambda images: embeddings_and_scores(recognizer, images, methods=methods),
            paths,
            reader_of(recognizer, None),
            size=recognizer.preprocessing.size,
        ):
            for path, face, row in batch:
                if isinstance(face, PfiqError):
                    problems.append(str(face))
                else:
                    rows.append(row)
                    people.append(path.parent)
            progress.update(len(batch))
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if len(rows) < MIN_FACES:
        raise PfiqError(f"{folder}: {len(rows)} faces are too few to calibrate; give {MIN_FACES} or more.")

    embeddings, scores = jax.tree.map(lambda *parts: np.stack(parts), *rows)
    comparisons = compare_all_pairs(embeddings, [str(person) for person in people], fmr=FMR)
    words = f"{reference or folder.resolve().name}, {len(rows)} faces"
    calibrations = [_fit(name, scores[name], words, comparisons) for name in methods]
    for calibration in calibrations:
        recognizer = recognizer.calibrated(calibration)
    recognizer.save(output)
    click.echo(_table(calibrations))
    if calibrations[0].failure is None:
        click.echo("No two faces of one person fail to match, so the probability of that is not known.", err=True)
    click.echo(f"-> {click.format_filename(output)}")
    if problems:
        click.echo(f"{len(problems)} of {len(paths)} faces were left out.", err=True)
        raise SystemExit(1)


def _fit(name: str, scores: np.ndarray, reference: str, comparisons: Comparisons) -> Calibration:
    if not (comparisons.non_mated_count and len(comparisons.mated)):
        return fit(name, scores, reference=reference)
    threshold = threshold_at_fmr(comparisons, FMR)
    failed = comparisons.mated_similarity < threshold
    if failed.all() or not failed.any():
        return fit(name, scores, reference=reference)
    return fit(name, scores, reference=reference, pairs=comparisons.mated, failed=failed, threshold=threshold, fmr=FMR)


def _table(calibrations: list[Calibration]) -> str:
    """What a few scores mean, by every method."""
    heads = [f"quality {example:g}" for example in EXAMPLES]
    lines = ["| method | alpha | r | " + " | ".join(heads) + " |", "|---|---:|---:|" + "---|" * len(EXAMPLES)]
    for each in calibrations:
        cells = []
        for example in EXAMPLES:
            logit = np.log(example / (1 - example))
            raw = each.r + logit / each.alpha
            cell = f"better than {np.interp(raw, each.percentiles, np.arange(101)):.0f}%"
            if each.failure:
                intercept, slope = each.failure
                cell += f", fails {100 / (1 + np.exp(-intercept - slope * logit)):.1f}%"
            cells.append(cell)
        lines.append(f"| {each.method} | {each.alpha:.4g} | {each.r:.4g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
