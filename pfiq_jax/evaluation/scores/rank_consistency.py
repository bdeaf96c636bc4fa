"""Whether the images that cause errors are those of low quality: the rank consistency of a score (RCE).

An error-versus-discard curve judges by subsets, whose difficulty changes as images are discarded. This compares two
orders of all images, at one threshold.

Source: Wani, Babnik, Struc, Terhörst, rank consistency evaluation, IJCB 2026, and its pre-release code.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

from pfiq_jax.errors import PfiqError
from pfiq_jax.evaluation.scores.comparisons import Comparisons


def harm(
    comparisons: Comparisons, threshold: float, weights: Int[np.ndarray, " images"] | None = None
) -> Int[np.ndarray, " images"]:
    """How many errors each image takes part in: false non-matches plus false matches.

    Of all pairs most are non-mated, so on easy faces most errors are false matches, which good images suffer as much
    as poor ones: on 6,900 faces of LFW, where a mated pair in 500 fails, every score measured has a negative RCE.

    Args:
        comparisons: of all pairs.
        threshold: similarity from which two images match, no lower than the least similar non-mated pair kept.
        weights: how often each image counts: identities drawn again with all their images, each a person of its own,
            so false matches multiply and false non-matches do not.
    """
    count = len(comparisons.identities)
    missed = comparisons.mated[comparisons.mated_similarity < threshold]
    matched = comparisons.non_mated[comparisons.non_mated_similarity >= threshold]
    partners = (np.ones(count, np.int64) if weights is None else weights)[matched[:, ::-1]]
    false_matches = np.bincount(matched.ravel(), partners.ravel(), minlength=count)
    return np.bincount(missed.ravel(), minlength=count) + np.rint(false_matches).astype(np.int64)


def margins(comparisons: Comparisons) -> Float[np.ndarray, " images"]:
    """How much nearer each image is to another person than to its own: breaks ties of harm, higher is more harmful.

    The highest non-mated similarity less the lowest mated one, or less 1 where an image is its identity's only one.
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
    """Spearman's correlation of harm and lack of quality; higher is better, in [-1, 1] without ties.

    With n images, ranks R_H by rising harm, R_Q by falling quality (ties share their mean rank) and weights
    w = (R_H / n)^alpha it is 1 - 6 sum w (R_H - R_Q)^2 / ((n^2 - 1) sum w).

    Args:
        harms: errors that each image takes part in, as ``harm`` counts them.
        qualities: of each image, higher is better. Ties raise the figure, to 0.5 for a constant score.
        margins: breaks ties of harm, as in the final version. Without it, as in the pre-release code, most images of an
            easy set share one rank, which raises the figure of any score, up to 0.5 where no image does harm.
        alpha: 0 weighs all images alike, higher values (the paper's is 3) the harmful ones.
        weights: how often each image counts, 0 or more; by default once.

    Raises:
        PfiqError: where fewer than two images count.
    """
    if weights is None:
        weights = np.ones(len(harms), np.int64)
    used = np.flatnonzero(weights)
    counts = weights[used]
    total = int(counts.sum())
    if total < 2:
        raise PfiqError("ranks need at least two images; give more.")
    of_harm = _mean_ranks(counts, harms[used], *(() if margins is None else (margins[used],)))
    of_quality = _mean_ranks(counts, -qualities[used])
    emphasis = counts * (of_harm / total) ** alpha
    spread = np.sum(emphasis * np.square(of_harm - of_quality))
    return float(1 - 6 * spread / ((total**2 - 1) * np.sum(emphasis)))


def _mean_ranks(counts: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Ranks from 1 by the first key, then the next; ties, and an image counted several times, share their mean."""
    order = np.lexsort(keys[::-1])
    is_new = np.any([np.diff(key[order], prepend=np.nan) != 0 for key in keys], axis=0)
    group = np.cumsum(is_new) - 1
    sizes = np.bincount(group, counts[order])
    ranks = np.empty(len(order))
    ranks[order] = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return ranks
