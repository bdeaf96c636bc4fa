"""Is the score right: how well quality scores tell which faces a recogniser fails on."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.bootstrap import RESAMPLES, bootstrap
from pfiq_jax.evaluation.figure import Figure
from pfiq_jax.evaluation.scores.comparisons import (
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
from pfiq_jax.quality.methods import QUALITY_METHODS
from pfiq_jax.recognizers.recognizer import Recognizer

RANDOM = "random"
"""The name of the control: scores that know nothing of the face."""


_CONTROL_SEED = 6_180_339  # no usual one, with which the data themselves may have been drawn


class ScoreFigures(NamedTuple):
    """How right one score is.

    Attributes:
        pauc: area under the error-versus-discard curve from 0 to the share discarded, over that of the error rate
            without discarding. Lower is better, 1 is no gain; NaN if nothing is in error without discarding.
        fnmr: false non-match rate once the worst share of mated pairs is discarded, in [0, 1]; lower is better.
        rce: rank consistency, in [-1, 1], about 0 for random scores; higher is better. See ``rank_consistency``; ties
            of harm are broken by margins, all images weigh alike.
        curve: false non-match rate against the share of mated pairs discarded.
    """

    pauc: Figure
    fnmr: Figure
    rce: Figure
    curve: ErrorVersusDiscard


FIGURES = ScoreFigures._fields[:3]


class ScoresEvaluation(NamedTuple):
    """What ``evaluate_scores`` found.

    Attributes:
        comparisons: all pairs.
        fmr: false match rate of the threshold.
        threshold: similarity from which two images match, the same whatever is discarded.
        discard: the share of mated pairs up to which ``pauc``, and at which ``fnmr``, is measured.
        start: false non-match rate without discarding.
        scores: the figures of each score.
        warning: a sentence where too few non-mated pairs support the threshold.
    """

    comparisons: Comparisons
    fmr: float
    threshold: float
    discard: float
    start: Figure
    scores: dict[str, ScoreFigures]
    warning: str | None


def evaluate_scores(
    embeddings: ArrayLike,
    identities: Sequence[object] | np.ndarray,
    scores: Mapping[str, ArrayLike],
    *,
    fmr: float = 1e-3,
    discard: float = 0.3,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ScoresEvaluation:
    """Measures scores against the errors of a recogniser on all pairs of the images.

    A pair's quality is that of its worse image. The threshold is fixed on all non-mated pairs before anything is
    discarded; in a bootstrap's resample it is estimated anew.

    Args:
        embeddings: (n, dim), of any length.
        identities: n labels; equal labels are one person.
        scores: n of each name, higher is better.
        fmr: false match rate of the threshold.
        discard: share of mated pairs, in (0, 1].
        seed: of the bootstrap over identities.
        resamples: of the bootstrap.

    Raises:
        PfiqError: for fewer than two identities, for no mated pair, and for scores that are not n finite numbers.
    """
    comparisons = compare_all_pairs(embeddings, identities, fmr=fmr)
    _check_pairs(comparisons)
    images = len(comparisons.identities)
    columns = {name: np.asarray(values, np.float64) for name, values in scores.items()}
    for name, values in columns.items():
        if values.shape != (images,) or not np.isfinite(values).all():
            raise PfiqError(f"the scores {name!r} are not {images} finite numbers; give one for each image.")

    threshold = threshold_at_fmr(comparisons, fmr)
    margin = margins(comparisons)
    # Sorted by quality once, so that each resample need not.
    sorted_pairs = {name: _by_quality(comparisons, values) for name, values in columns.items()}

    def measure(threshold: float, weights: Int[np.ndarray, " images"]) -> tuple[np.ndarray, list[ErrorVersusDiscard]]:
        harms = harm(comparisons, threshold, weights)
        figures, curves = [], []
        for name, (similarities, qualities, first) in sorted_pairs.items():
            curve = error_versus_discard(similarities < threshold, qualities, weights[first])
            rce = rank_consistency(harms, columns[name], margins=margin, weights=weights)
            figures.append((normalized_partial_area(curve, discard), curve.at(discard), rce))
            curves.append(curve)
        errors, of_pair = comparisons.mated_similarity < threshold, weights[comparisons.mated[:, 0]]
        figures.append((np.average(errors, weights=of_pair), np.nan, np.nan))
        return np.array(figures), curves

    def statistic(weights: Int[np.ndarray, " images"]) -> np.ndarray:
        if not (non_mated_weight(comparisons.identities, weights) and weights[comparisons.mated].any()):
            return np.full((len(columns) + 1, len(FIGURES)), np.nan)
        return measure(threshold_at_fmr(comparisons, fmr, weights), weights)[0]

    intervals = np.stack(bootstrap(statistic, comparisons.identities, seed=seed, resamples=resamples), -1)
    _, curves = measure(threshold, np.ones(images, np.int64))
    return ScoresEvaluation(
        comparisons,
        fmr,
        threshold,
        discard,
        Figure(*intervals[-1, 0].tolist()),
        {
            name: ScoreFigures(Figure(*pauc), Figure(*fnmr), Figure(*rce), curve)
            for name, (pauc, fnmr, rce), curve in zip(columns, intervals[:-1].tolist(), curves, strict=True)
        },
        support_warning(comparisons.non_mated_count, fmr),
    )


def supported_methods(recognizer: Recognizer, names: Iterable[str] = QUALITY_METHODS) -> tuple[str, ...]:
    """Those of the named ``QUALITY_METHODS`` that this recogniser can do: CR-FIQA needs a quality head, say."""
    images = jax.ShapeDtypeStruct((1, *recognizer.preprocessing.size, 3), np.uint8)

    def is_supported(name: str) -> bool:
        try:
            jax.eval_shape(QUALITY_METHODS[name], recognizer, images)
        except PfiqError:
            return False
        return True

    return tuple(name for name in names if is_supported(name))


@functools.partial(jax.jit, static_argnames="methods")
def embeddings_and_scores(
    recognizer: Recognizer, images: ArrayLike, *, methods: tuple[str, ...]
) -> tuple[Float[Array, "batch dim"], dict[str, Float[Array, " batch"]]]:
    """The embedding and the raw scores of each image, from one pass through the trunk.

    Args:
        recognizer: whose errors the scores shall foretell.
        images: RGB, 0..255, aligned; (batch, height, width, 3).
        methods: names of ``QUALITY_METHODS``.

    Raises:
        PfiqError: for a method that the recogniser does not support, and for images that do not fit.
    """
    known = recognizer.with_features(recognizer.features(images))
    return known.embed(images), {name: QUALITY_METHODS[name](known, jnp.asarray(images)) for name in methods}


def random_scores(count: int) -> Float[np.ndarray, " images"]:
    """The control: uniform in [0, 1), the same ones again for as many images."""
    return np.random.default_rng(_CONTROL_SEED).random(count)


def _check_pairs(comparisons: Comparisons) -> None:
    if not comparisons.non_mated_count:
        raise PfiqError("fewer than two identities; give faces of more people.")
    if not len(comparisons.mated):
        raise PfiqError("no identity has two faces, so no pair can fail to match; give two or more of some people.")


def _by_quality(
    comparisons: Comparisons, scores: Float[np.ndarray, " images"]
) -> tuple[Float[np.ndarray, " mated"], Float[np.ndarray, " mated"], Int[np.ndarray, " mated"]]:
    """Similarity, quality and first image of the mated pairs, sorted by their quality."""
    qualities = scores[comparisons.mated].min(1)
    order = np.argsort(qualities, kind="stable")
    return comparisons.mated_similarity[order], qualities[order], comparisons.mated[order, 0]
