"""Effects of a fitted dropout head on SER-FIQ's error-versus-discard characteristic and on verification.

    python -m benchmarks.dropout_head ../shared/data -o benchmarks/results/dropout_head.md

MobileFaceNet y1 was trained without dropout, SFace with it. The head is fitted to the faces of all people of `lfw_dev`
who are neither in its pairs nor in `lfw_dev_degraded`. All other faces are measured. Another table has the time and
memory of a fit to 5,000 random units per network, in a new process each, without forward passes.
"""

import functools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import jax
import numpy as np

from benchmarks.verification import Pairs, accuracies, read_pairs, sections, true_accept_rate
from pfiq_jax import Forward, IResNet, MobileFaceNet, Recognizer, SFace, ser_fiq_closed_form
from pfiq_jax.adapting import fit_dropout_head
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.evaluation import compare_all_pairs, error_versus_discard, normalized_partial_area, threshold_at_fmr
from pfiq_jax.evaluation.bootstrap import bootstrap
from pfiq_jax.evaluation.estimate import Estimate
from pfiq_jax.evaluation.scores.evaluate_scores import DISCARD
from pfiq_jax.faces import People, people_in, read_image
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.tables import markdown_table

TIMED = (MobileFaceNet(), SFace(), IResNet(50))
TIMED_FACES = 5000
MEASURES = ("FNMR at FMR 0.001, %", "pAUC of SER-FIQ", "pAUC of SER-FIQ, errors before")
RATES = ("accuracy, %", "TAR at FMR 0.001, %")

NOTE = (
    f"pAUC: mean FNMR while up to {DISCARD:.0%} of the mated pairs are discarded by SER-FIQ's closed form, over the "
    'FNMR without discarding; lower is better. "Errors before": the pairs that fail are those of the head before, and '
    "each head decides which pairs are discarded. TAR: share of mated pairs above the threshold of this FMR; higher is "
    "better, as for the accuracy. In brackets: 95% intervals of a bootstrap over people, for the pairs over pairs. "
    "Differences are of the same resamples."
)

Measured = dict[str, tuple[np.ndarray, np.ndarray]]  # embeddings and scores by head


def only_units(units: np.ndarray) -> Forward:
    """A ``Forward`` with units only, since the head uses nothing else."""
    count = len(units)
    return Forward(
        np.zeros((count, 1, 1, 3), np.float32),
        np.zeros((count, 1, 1, 1), np.float32),
        units,
        np.zeros((count, 1), np.float32),
    )


@jax.jit
def embedding_and_score(recognizer: Recognizer, units: jax.Array) -> tuple[jax.Array, jax.Array]:
    embedding = recognizer.project(units)
    return embedding, ser_fiq_closed_form(recognizer, only_units(units)._replace(embedding=embedding))


def errors_and_areas(measured: Measured, identities: np.ndarray) -> Estimate:
    """Rows of MEASURES per head, and a row of after minus before, with intervals over people."""
    _, numbers = np.unique(identities, return_inverse=True)
    comparisons = {name: compare_all_pairs(embeddings, numbers) for name, (embeddings, _) in measured.items()}
    qualities = {name: scores[comparisons["before"].mated].min(1) for name, (_, scores) in measured.items()}

    def statistic(weights: np.ndarray) -> np.ndarray:
        rows = []
        for name, each in comparisons.items():
            of_pair = weights[each.mated[:, 0]]
            errors = each.mated_similarity < threshold_at_fmr(each, weights=weights)
            present = comparisons["before"].mated_similarity < threshold_at_fmr(comparisons["before"], weights=weights)
            areas = [
                normalized_partial_area(error_versus_discard(wrong, qualities[name], of_pair), DISCARD)
                for wrong in (errors, present)
            ]
            rows.append([100 * np.average(errors, weights=of_pair), *areas])
        return np.array([*rows, np.subtract(rows[1], rows[0])])

    return bootstrap(statistic, numbers, seed=0)


def verification(measured: Measured, pairs: Pairs, place: dict[Path, int]) -> Estimate:
    """Accuracy and true accept rate per head, and after minus before, with intervals over pairs."""
    first, second = (np.array([place[pair[side]] for pair in pairs]) for side in (0, 1))
    mated = np.array([pair[2] for pair in pairs])
    units = [e / np.linalg.norm(e, axis=-1, keepdims=True) for e, _ in measured.values()]
    cosines = [np.sum(each[first] * each[second], -1) for each in units]

    def statistic(weights: np.ndarray) -> np.ndarray:
        at = np.repeat(np.arange(len(mated)), weights)
        rows = [[accuracies(c[at], mated[at]).mean(), true_accept_rate(c[at], mated[at])] for c in cosines]
        return 100 * np.array([*rows, np.subtract(rows[1], rows[0])])

    return bootstrap(statistic, np.arange(len(mated)), seed=0)


def table_rows(group: str, names: Sequence[str], found: Estimate, digits: int) -> list[list[str]]:
    """One row per measure, with the values before and after, and their difference."""
    triples = np.moveaxis(np.stack(found), (0, 1, 2), (2, 1, 0))
    return [
        [group, name, *(f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]" for value, low, high in of_measure)]
        for name, of_measure in zip(names, triples, strict=True)
    ]


def units_of(recognizer: Recognizer, people: People) -> tuple[np.ndarray, float]:
    """The units of all faces, and the seconds that the forward passes took."""
    images = np.stack([read_image(path) for path in people.paths])
    forward = jax.jit(lambda images: recognizer.forward(images).units)
    start = time.perf_counter()
    units = in_batches(forward, images)
    return units, time.perf_counter() - start


def measure(recognizer: Recognizer, data: Path) -> str:
    """The section of one network."""
    pairs = read_pairs(data / "lfw_dev_pairs.txt", data / "lfw_dev")
    clean, degraded = (people_in(data / name) for name in ("lfw_dev", "lfw_dev_degraded"))
    tested = {path.parent.name for *both, _ in pairs for path in both} | set(degraded.identities)
    is_tested = np.isin(clean.identities, sorted(tested))
    units, seconds = units_of(recognizer, clean)
    start = time.perf_counter()
    fitted = fit_dropout_head(recognizer, only_units(units[~is_tested]))
    took = time.perf_counter() - start

    def measured(units: np.ndarray) -> Measured:
        heads = {"before": recognizer, "after": fitted}
        return {name: in_batches(functools.partial(embedding_and_score, head), units) for name, head in heads.items()}

    of_clean, of_degraded = measured(units[is_tested]), measured(units_of(recognizer, degraded)[0])
    kept = np.flatnonzero(is_tested)
    place = {clean.paths[index]: row for row, index in enumerate(kept)}
    errors = errors_and_areas(of_clean, np.array(clean.identities)[kept])
    rows = table_rows("lfw_dev", MEASURES, errors, 3)
    rows += table_rows("lfw_dev, its pairs", RATES, verification(of_clean, pairs, place), 2)
    errors = errors_and_areas(of_degraded, np.array(degraded.identities))
    rows += table_rows("lfw_dev_degraded", MEASURES, errors, 3)
    return (
        f"{len(units)} forward passes took {seconds:.0f} s; the fit to {len(units) - len(kept)} faces took {took:.1f} "
        f"s. Measured on {len(kept)} and {len(degraded.paths)} faces.\n\n"
        + markdown_table(["faces", "measure", "before", "after", "after - before"], rows)
    )


def time_one(index: int) -> dict[str, float]:
    """Seconds and peak memory of one fit to random units."""
    network = TIMED[index]
    recognizer = Recognizer(network.initialize(jax.random.key(0)), network)
    shape = recognizer.parameters["head"]["kernel"].shape[:-1]
    units = np.random.default_rng(0).standard_normal((TIMED_FACES, *shape), np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, busy = time.perf_counter(), time.process_time()
    fit_dropout_head(recognizer, only_units(units))
    took, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gigabytes = {"before": before * 1024 / 1e9, "peak": peak * 1024 / 1e9}
    return {"units": units[0].size, "seconds": took, "busy": busy, **gigabytes}


def timings() -> str:
    """The table of ``time_one``."""
    rows = []
    for index, network in enumerate(TIMED):
        command = [sys.executable, "-m", "benchmarks.dropout_head", "--one", str(index)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        rows.append(
            [
                str(network),
                f"{found['units']:,}",
                *(f"{found[name]:.1f}" for name in ("seconds", "busy", "before", "peak")),
            ]
        )
    return markdown_table(
        ["network", "units per face", "seconds", "processor seconds", "GB before, with the units", "peak GB"], rows
    )


@click.command(help=__doc__.split("\n")[0])
@click.argument("data", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path))
@click.option("--one", type=int, hidden=True)
def main(data: Path | None, output: Path | None, one: int | None) -> None:
    if one is not None:
        click.echo(json.dumps(time_one(one)))
        return
    keep_freed_memory()
    assert data
    parts = sections(measure, data)
    parts.append(f"A fit to {TIMED_FACES} random units, without forward passes, on the CPU.\n\n{timings()}")
    text = "\n\n".join([*parts, NOTE]) + "\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
