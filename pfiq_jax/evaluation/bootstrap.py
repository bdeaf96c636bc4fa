"""Confidence intervals by drawing identities again: images of one person are no independent evidence.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; for subjects in place of images,
Bolle, Ratha, Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", CVIU 2004.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

RESAMPLES = 200
CONFIDENCE = 0.95


class Intervals(NamedTuple):
    """Figures with their 95% confidence intervals, all of one shape; NaN where a figure is not defined.

    Attributes:
        value: of all images, each counted once.
        low: 2.5th percentile over the resamples in which the figure is defined.
        high: 97.5th percentile, likewise.
    """

    value: Float[np.ndarray, "*figures"]
    low: Float[np.ndarray, "*figures"]
    high: Float[np.ndarray, "*figures"]


def bootstrap(
    statistic: Callable[[Int[np.ndarray, " images"]], Float[np.ndarray, "*figures"]],
    identities: Int[np.ndarray, " images"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Intervals:
    """Intervals of any figures that can be computed with images counted any number of times.

    In a resample as many identities are drawn as there are, with replacement, each with all its images, and an
    identity drawn twice is two persons: a mated pair counts as often as its identity, a non-mated one as often as the
    product of its two identities' counts. A resample in which a figure is NaN is left out of its interval.

    Args:
        statistic: gives the figures for how often each image counts, 0 or more.
        identities: of each image, numbered from 0.
        seed: of NumPy's generator; the same one gives the same intervals.
        resamples: how many.
    """
    value = np.asarray(statistic(np.ones(len(identities), np.int64)), np.float64)
    count = int(identities.max()) + 1
    generator = np.random.default_rng(seed)
    draws = np.stack(
        [
            np.asarray(statistic(np.bincount(generator.integers(count, size=count), minlength=count)[identities]))
            for _ in range(resamples)
        ]
    )
    tail = (1 - CONFIDENCE) / 2
    defined = ~np.isnan(draws).all(0)
    bounds = np.full((2, *value.shape), np.nan)
    if defined.any():
        bounds[:, defined] = np.nanquantile(draws[:, defined], (tail, 1 - tail), axis=0)
    return Intervals(value, *bounds)
