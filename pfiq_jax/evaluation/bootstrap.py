"""Confidence intervals from resampled people, since images of one person are not independent evidence.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; for people instead of images,
Bolle, Ratha, Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", CVIU 2004.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped

from pfiq_jax.evaluation.estimate import Estimate

RESAMPLES = 200
RESAMPLES_OF_MEANS = 1000  # means are cheaper than values of pairs of images
CONFIDENCE = 0.95

Key = TypeVar("Key", bound=Hashable)


def bootstrap(
    statistic: Callable[[Int[np.ndarray, " images"]], Float[np.ndarray, "*values"]],
    identities: Int[np.ndarray, " images"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Confidence intervals of values that are computed from images with integer weights.

    A resample draws as many people as there are, with replacement, each with all images. A person who is drawn twice
    counts as two people. A mated pair then counts as often as its person, and a non-mated pair as often as the product
    of the counts of its two people. Resamples in which a value is NaN are left out of the interval of this value.

    Args:
        statistic: computes the values from the weight of each image, a count of 0 or more.
        identities: the person of each image, numbered from 0.
        seed: of NumPy's generator; equal seeds give equal intervals.
        resamples: their number.

    Returns:
        Arrays of the shape of the values.
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
    return Estimate(value, *bounds)


def estimate_of(
    statistic: Callable[[Int[np.ndarray, " images"]], float],
    identities: Int[np.ndarray, " images"],
    *,
    seed: int,
) -> Estimate:
    """One number that is not a mean over images, with the interval of ``bootstrap``."""
    arrays = bootstrap(lambda counts: np.array(statistic(counts)), identities, seed=seed)
    return Estimate(*map(float, arrays))


def mean_estimates(
    values: Mapping[Key, Shaped[np.ndarray, " faces"]],
    derive: Callable[[dict[Key, float]], dict[Key, float]] = lambda means: means,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES_OF_MEANS,
) -> dict[Key, Estimate]:
    """Means over faces, and values derived from these means, with intervals of a bootstrap over the faces.

    Args:
        values: arrays with one number per face; a NaN in an array makes its mean NaN.
        derive: computes all values of a resample from its means; it always returns the same keys.
        seed: of the bootstrap; the resamples are the same for all values.
        resamples: of the bootstrap.
    """
    matrix = np.stack([np.asarray(each, np.float64) for each in values.values()])

    def means(counts: np.ndarray) -> dict[Key, float]:
        return derive(dict(zip(values, map(float, matrix @ counts / counts.sum()), strict=True)))

    everyone = np.arange(matrix.shape[1])
    estimates = np.stack(
        bootstrap(lambda counts: np.array(list(means(counts).values())), everyone, seed=seed, resamples=resamples), -1
    )
    return {
        key: Estimate(*numbers) for key, numbers in zip(means(np.ones(len(everyone))), estimates.tolist(), strict=True)
    }
