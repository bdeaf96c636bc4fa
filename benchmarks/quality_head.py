"""Whether a learned head, fitted to known people, ranks faces of other people better than the relative norm.

    python -m benchmarks.quality_head ../shared/data -o benchmarks/results/quality_head.md

Five heads are fitted, each without a fifth of the people of `lfw_dev`, and each scores the faces of these people. This
is repeated with heads that are also fitted to the disturbed faces of `lfw_dev_degraded`. All scores are on the scale
that was fitted with the head, since heads may differ in their targets.
"""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.verification import sections
from pfiq_jax import Forward, Recognizer, face_quality, relative_norm
from pfiq_jax.adapting.quality_head import fit_quality_head, person_weights
from pfiq_jax.cpu_memory import keep_freed_memory
from pfiq_jax.evaluation import (
    compare_all_pairs,
    error_versus_discard,
    normalized_partial_area,
    random_scores,
    threshold_at_fmr,
)
from pfiq_jax.evaluation.bootstrap import bootstrap
from pfiq_jax.evaluation.scores.evaluate_scores import DISCARD
from pfiq_jax.faces import people_in, read_image
from pfiq_jax.faces.batches import in_batches
from pfiq_jax.tables import markdown_table

FOLDS = 5
SCORES = ("learned", "relative_norm", "random")
Faces = dict[str, tuple[Forward, np.ndarray]]  # forward passes and identities by set

NOTE = (
    f"pAUC: mean FNMR at FMR 0.001 while up to {DISCARD:.0%} of the mated pairs are discarded, over the FNMR without "
    "discarding; lower is better. In brackets: 95% intervals of a bootstrap over people; differences are of the same "
    "resamples, and below 0 if the learned head is better. Where each person counts once, all pairs of a person "
    "together weigh as much as those of any other. No head was fitted to faces of the people that it is measured on."
)


def seen_by(recognizer: Recognizer, folder: Path) -> tuple[Forward, np.ndarray, float]:
    """Forward passes, reduced to the channel means that the head uses; the people; and the seconds."""
    people = people_in(folder)
    images = np.stack([read_image(path) for path in people.paths])

    @jax.jit
    def compute(recognizer: Recognizer, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        seen = recognizer.forward(images)
        return jnp.mean(seen.units, (1, 2), keepdims=True), seen.embedding

    start = time.perf_counter()
    units, embedding = in_batches(lambda batch: compute(recognizer, batch), images)
    empty = np.zeros((len(units), 1, 1, 3), np.float32)
    return Forward(empty, empty, units, embedding), np.array(people.identities), time.perf_counter() - start


def rows_of(seen: Forward, kept: np.ndarray) -> Forward:
    return jax.tree.map(lambda leaf: leaf[kept], seen)


def left_out_scores(recognizer: Recognizer, fitted_to: Faces, tests: Faces) -> tuple[dict[str, np.ndarray], list[str]]:
    """The learned score of each face, by set, from the head fitted without its person; and the choices of the heads."""
    names = np.unique(np.concatenate([each for _, each in fitted_to.values()]))
    fold = np.random.default_rng(0).permutation(len(names)) % FOLDS
    scores, chosen = {name: np.empty(len(who)) for name, (_, who) in tests.items()}, []
    for number in range(FOLDS):
        out = names[fold == number]
        kept = [(rows_of(seen, ~np.isin(who, out)), who[~np.isin(who, out)]) for seen, who in fitted_to.values()]
        seen = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(part for part, _ in kept))
        head = fit_quality_head(recognizer, seen, np.concatenate([who for _, who in kept]))
        chosen.append(head.learned_head.reference.partition("; ")[2])
        for name, (seen, who) in tests.items():
            tested = np.isin(who, out)
            scores[name][tested] = face_quality(head, rows_of(seen, tested), method="learned")
    return scores, chosen


def areas(seen: Forward, identities: np.ndarray, scores: Sequence[np.ndarray], *, equally: bool) -> list[str]:
    """The pAUC of each score, and of the first one minus each of the others."""
    _, numbers = np.unique(identities, return_inverse=True)
    comparisons = compare_all_pairs(seen.embedding, numbers)
    first, similarity = comparisons.mated[:, 0], comparisons.mated_similarity
    base = person_weights(comparisons) if equally else np.ones(len(first), np.int64)
    qualities = [each[comparisons.mated].min(1) for each in scores]
    orders = [np.argsort(each, kind="stable") for each in qualities]  # once for all resamples
    columns = [
        tuple(c[at] for c in (similarity, each, base, first)) for each, at in zip(qualities, orders, strict=True)
    ]

    def statistic(weights: np.ndarray) -> np.ndarray:
        threshold = threshold_at_fmr(comparisons, weights=weights)
        found = []
        for similarities, quality, of_pair, face in columns:
            curve = error_versus_discard(similarities < threshold, quality, of_pair * weights[face])
            found.append(normalized_partial_area(curve, DISCARD))
        return np.array([*found, *(found[0] - other for other in found[1:])])

    triples = np.stack(bootstrap(statistic, numbers, seed=0), 1)
    return [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in triples]


def measure(recognizer: Recognizer, data: Path) -> str:
    """The section of one network."""
    clean, who, seconds = seen_by(recognizer, data / "lfw_dev")
    spoiled, who_spoiled, _ = seen_by(recognizer, data / "lfw_dev_degraded")
    start, busy = time.perf_counter(), time.process_time()
    fit_quality_head(recognizer, clean, who)
    took, busy = time.perf_counter() - start, time.process_time() - busy
    tests = {"lfw_dev": (clean, who), "lfw_dev_degraded": (spoiled, who_spoiled)}
    rows, choices = [], []
    for name, fitted_to in {"lfw_dev": {"lfw_dev": tests["lfw_dev"]}, "both": tests}.items():
        learned, chosen = left_out_scores(recognizer, fitted_to, tests)
        for tested, (seen, identities) in tests.items():
            scores = [learned[tested], np.asarray(relative_norm(recognizer, seen)), random_scores(len(identities))]
            for equally in (False, True) if tested == "lfw_dev" else (False,):
                group = f"{tested}, each person once" if equally else tested
                rows.append([name, group, *areas(seen, identities, scores, equally=equally)])
        counts = [f"{what} ({count} of {FOLDS})" for what, count in Counter(chosen).items()]
        choices.append(f"{name}: {'; '.join(counts)}")
    pairs = np.unique(who, return_counts=True)[1]
    pairs = pairs * (pairs - 1) // 2
    titles = ["fitted to", "measured on", *SCORES, *(f"learned - {name}" for name in SCORES[1:])]
    return (
        f"{len(who)} forward passes took {seconds:.0f} s, a fit to them {took:.0f} s ({busy:.0f} processor seconds). "
        f"Of the {pairs.sum():,} mated pairs of lfw_dev, {pairs.max():,} are of one person. Targets and penalties "
        f"that the folds chose by cross-validation, {'. '.join(choices)}.\n\n{markdown_table(titles, rows)}"
    )


@click.command(help=__doc__.split("\n")[0])
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(data: Path, output: Path | None) -> None:
    keep_freed_memory()
    text = "\n\n".join([*sections(measure, data), NOTE]) + "\n"
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
