"""The rank consistency of a score (RCE): whether the images that cause errors have low quality.

An error-versus-discard curve is measured on subsets, and their difficulty changes as images are discarded. The rank
consistency compares two orders of all images at one threshold.

Source: Wani, Babnik, Struc, Terhörst, rank consistency evaluation, IJCB 2026, and its pre-release code.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.comparisons import Comparisons


def harm(
    comparisons: Comparisons, threshold: float, weights: Int[np.ndarray, " images"] | None = None
) -> Int[np.ndarray, " images"]:
    """The number of errors in which each image takes part: false non-matches plus false matches.

    Most pairs are non-mated, so most errors on easy faces are false matches, in which good images take part as often as
    poor images. The RCE of every score can then be negative.

    Args:
        comparisons: of all pairs.
        threshold: similarity at and above which two images match, at least that of the least similar non-mated pair
            kept.
        weights: how often each image counts. Each copy of a resampled person counts as another person: false matches
            then multiply, false non-matches do not.
    """
    count = len(comparisons.identities)
    missed = comparisons.mated[comparisons.mated_similarity < threshold]
    matched = comparisons.non_mated[comparisons.non_mated_similarity >= threshold]
    partners = (np.ones(count, np.int64) if weights is None else weights)[matched[:, ::-1]]
    false_matches = np.bincount(matched.ravel(), partners.ravel(), minlength=count)
    return np.bincount(missed.ravel(), minlength=count) + np.rint(false_matches).astype(np.int64)


def margins(comparisons: Comparisons) -> Float[np.ndarray, " images"]:
    """How much nearer each image is to another person than to its own; higher is more harmful. It breaks ties of harm.

    It is the highest non-mated similarity minus the lowest mated similarity, or minus 1 for the only image of a person.
    """
    lowest = np.ones(len(comparisons.identities), np.float32)
    for side in comparisons.mated.T:
        np.minimum.at(lowest, side, comparisons.mated_similarity)
    return comparisons.nearest_other - lowest


def rank_consistency(
    harms: Shaped[np.ndarray, " images"],
    qualities: Shaped[np.ndarray, " images"],
    *,
    margins: Float[np.ndarray, " images"] | None = None,
    alpha: float = 0.0,
    weights: Int[np.ndarray, " images"] | None = None,
) -> float:
    """Spearman's rank correlation of harm and negated quality; higher is better, in [-1, 1] without ties.

    For n images it is ``1 - 6 sum w (R_H - R_Q)^2 / ((n^2 - 1) sum w)``. R_H are the ranks by rising harm and R_Q those
    by falling quality, where ties share their mean rank. The weights are ``w = (R_H / n)^alpha``.

    Args:
        harms: number of errors in which each image takes part, from ``harm``.
        qualities: of each image; higher is better. Ties raise the result, to 0.5 for a constant score.
        margins: break ties of harm, as in the final version. Without them, as in the pre-release code, most images of
            an easy set share one rank. This raises the result of every score, up to 0.5 if no image does harm.
        alpha: 0 gives all images the same weight; higher values (3 in the paper) emphasise harmful images.
        weights: how often each image counts, 0 or more; by default once.

    Raises:
        PfiqError: if fewer than two images count.
    """
    if weights is None:
        weights = np.ones(len(harms), np.int64)
    used = np.flatnonzero(weights)
    counts = weights[used]
    total = int(counts.sum())
    if total < 2:
        raise PfiqError("there are fewer than two images to rank; give two or more.")
    of_harm = _mean_ranks(counts, harms[used], *(() if margins is None else (margins[used],)))
    of_quality = _mean_ranks(counts, -qualities[used])
    emphasis = counts * (of_harm / total) ** alpha
    spread = np.sum(emphasis * np.square(of_harm - of_quality))
    return float(1 - 6 * spread / ((total**2 - 1) * np.sum(emphasis)))


def _mean_ranks(counts: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Ranks from 1 by the first key, then the next; ties, and copies of an image, share their mean rank."""
    order = np.lexsort(keys[::-1])
    is_new = np.any([np.diff(key[order], prepend=np.nan) != 0 for key in keys], axis=0)
    group = np.cumsum(is_new) - 1
    sizes = np.bincount(group, counts[order])
    ranks = np.empty(len(order))
    ranks[order] = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return ranks
