"""Evaluation of quality scores: how well they predict the faces on which a recogniser fails."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.bootstrap import RESAMPLES, bootstrap
from pfiq_jax.evaluation.estimate import Estimate
from pfiq_jax.evaluation.measure import Measure
from pfiq_jax.evaluation.scores.comparisons import (
    FMR,
    Comparisons,
    compare_all_pairs,
    non_mated_weight,
    support_warning,
    threshold_at_fmr,
)
from pfiq_jax.evaluation.scores.error_versus_discard import (
    ErrorVersusDiscard,
    error_versus_discard,
    normalized_partial_area,
)
from pfiq_jax.evaluation.scores.rank_consistency import harm, margins, rank_consistency

DISCARD = 0.3
"""The share of mated pairs that is discarded, unless another one is given."""

SCORE_MEASURES = (
    Measure(
        "pauc",
        "lower",
        0,
        "mean false non-match rate while the mated pairs of lowest quality are discarded, divided by the rate without "
        "discarding (1: no gain)",
    ),
    Measure("fnmr", "lower", 0, "false non-match rate after the mated pairs of lowest quality are discarded"),
    Measure(
        "rce",
        "higher",
        0,
        "rank consistency, -1 to 1 (0: no relation): whether the faces that take part in errors have low quality. On "
        "easy faces most of the errors are false matches",
    ),
)


class ScoresEvaluation(NamedTuple):
    """The result of ``evaluate_scores``.

    Attributes:
        estimates: by score, then by name of ``SCORE_MEASURES``.
        curves: of each score, the false non-match rate against the share of mated pairs discarded.
        comparisons: all pairs.
        fmr: false match rate of the threshold.
        threshold: similarity at and above which two images match; it does not change as pairs are discarded.
        discard: the largest share of mated pairs that is discarded: "pauc" is the mean up to this share, "fnmr" the
            rate after it.
        start: false non-match rate without discarding.
        warning: a sentence if the threshold depends on too few non-mated pairs, otherwise None.
    """

    estimates: dict[str, dict[str, Estimate]]
    curves: dict[str, ErrorVersusDiscard]
    comparisons: Comparisons
    fmr: float
    threshold: float
    discard: float
    start: Estimate
    warning: str | None


def evaluate_scores(
    embeddings: ArrayLike,
    identities: Sequence[object] | np.ndarray,
    scores: Mapping[str, ArrayLike],
    *,
    fmr: float = FMR,
    discard: float = DISCARD,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ScoresEvaluation:
    """Measures how well scores predict the errors of a recogniser, on all pairs of the images.

    The quality of a pair is the lower score of its two images. The threshold is computed from all non-mated pairs,
    before any pair is discarded, and again in each resample of the bootstrap.

    Args:
        embeddings: (n, dim), of any length.
        identities: n labels; equal labels are one person.
        scores: n numbers per score, by its name; higher is better.
        fmr: false match rate of the threshold.
        discard: share of mated pairs, in (0, 1].
        seed: of the bootstrap over people.
        resamples: of the bootstrap.

    Raises:
        PfiqError: for fewer than two people, without a mated pair, and for scores that are not n finite numbers.

    Example:
        >>> from pfiq_jax.evaluation import evaluate_scores
        >>> generator = np.random.default_rng(0)
        >>> people = np.repeat(np.arange(20), 3)
        >>> noise = generator.uniform(0, 2, 60)
        >>> embeddings = generator.normal(size=(20, 32))[people] + noise[:, None] * generator.normal(size=(60, 32))
        >>> scores = {"good": -noise, "random": generator.random(60)}
        >>> evaluation = evaluate_scores(embeddings, people, scores, fmr=0.01, resamples=20)
        >>> {name: round(measured["pauc"].value, 2) for name, measured in evaluation.estimates.items()}
        {'good': 0.71, 'random': 0.94}
    """
    comparisons = compare_all_pairs(embeddings, identities, fmr=fmr)
    _check_pairs(comparisons)
    experiment = _Experiment(comparisons, _columns(scores, len(comparisons.identities)), discard)

    def statistic(weights: Int[np.ndarray, " images"]) -> np.ndarray:
        if not (non_mated_weight(comparisons.identities, weights) and weights[comparisons.mated].any()):
            return np.full((len(scores) + 1, len(SCORE_MEASURES)), np.nan)
        return experiment.measure(threshold_at_fmr(comparisons, fmr, weights), weights)[0]

    *of_scores, of_start = np.stack(
        bootstrap(statistic, comparisons.identities, seed=seed, resamples=resamples), -1
    ).tolist()
    threshold = threshold_at_fmr(comparisons, fmr)
    _, curves = experiment.measure(threshold, np.ones(len(comparisons.identities), np.int64))
    names = [measure.name for measure in SCORE_MEASURES]
    return ScoresEvaluation(
        {
            score: {name: Estimate(*triple) for name, triple in zip(names, of_score, strict=True)}
            for score, of_score in zip(scores, of_scores, strict=True)
        },
        dict(zip(scores, curves, strict=True)),
        comparisons,
        fmr,
        threshold,
        discard,
        Estimate(*of_start[0]),
        support_warning(comparisons.non_mated_count, fmr),
    )


class _Experiment:
    """The values that all resamples share. Pairs are sorted by quality only once."""

    def __init__(self, comparisons: Comparisons, scores: dict[str, np.ndarray], discard: float) -> None:
        self._comparisons = comparisons
        self._scores = scores
        self._discard = discard
        self._margins = margins(comparisons)
        self._sorted_pairs = {name: _by_quality(comparisons, values) for name, values in scores.items()}

    def measure(
        self, threshold: float, weights: Int[np.ndarray, " images"]
    ) -> tuple[Float[np.ndarray, "rows measures"], list[ErrorVersusDiscard]]:
        """A row of ``SCORE_MEASURES`` per score, a row that starts with the FNMR without discarding, and the curves."""
        comparisons = self._comparisons
        harms = harm(comparisons, threshold, weights)
        rows, curves = [], []
        for name, (similarities, qualities, first) in self._sorted_pairs.items():
            curve = error_versus_discard(similarities < threshold, qualities, weights[first])
            rce = rank_consistency(harms, self._scores[name], margins=self._margins, weights=weights)
            rows.append((normalized_partial_area(curve, self._discard), curve.at(self._discard), rce))
            curves.append(curve)
        errors, of_pair = comparisons.mated_similarity < threshold, weights[comparisons.mated[:, 0]]
        rows.append((float(np.average(errors, weights=of_pair)), np.nan, np.nan))
        return np.array(rows), curves


def _columns(scores: Mapping[str, ArrayLike], images: int) -> dict[str, np.ndarray]:
    columns = {name: np.asarray(values, np.float64) for name, values in scores.items()}
    for name, values in columns.items():
        if values.shape != (images,) or not np.isfinite(values).all():
            raise PfiqError(f"the scores {name!r} are not {images} finite numbers; give one per image.")
    return columns


def _check_pairs(comparisons: Comparisons) -> None:
    if not comparisons.non_mated_count:
        raise PfiqError("there are fewer than two people; give faces of more people.")
    if not len(comparisons.mated):
        raise PfiqError("no person has two faces, so there are no mated pairs; give two or more faces of some people.")


def _by_quality(
    comparisons: Comparisons, scores: Float[np.ndarray, " images"]
) -> tuple[Float[np.ndarray, " mated"], Float[np.ndarray, " mated"], Int[np.ndarray, " mated"]]:
    """Similarity, quality and first image of the mated pairs, sorted by their quality."""
    qualities = scores[comparisons.mated].min(1)
    order = np.argsort(qualities, kind="stable")
    return comparisons.mated_similarity[order], qualities[order], comparisons.mated[order, 0]
