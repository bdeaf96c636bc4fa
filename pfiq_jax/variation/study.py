"""A study of activation maps: faces of high quality against those of low, and single faces against the former."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pfiq_jax.errors import PfiqError
from pfiq_jax.variation.comparison import deviation, deviation_scores
from pfiq_jax.variation.region import Region
from pfiq_jax.variation.significance import PermutationTest, permutation_test, pool
from pfiq_jax.variation.variation import Variation, summarize

SMALLEST_SET = 2  # one face has no standard deviation

Indices = Int[np.ndarray, " faces"]
MapsOf = Callable[[Indices], Iterable[tuple[int, Float[np.ndarray, "height width"]]]]


class Sets(NamedTuple):
    """Which faces a study looks at, as indices from the lowest score to the highest.

    Attributes:
        low: of the lowest scores.
        high: of the highest.
        others: of all that are not in ``high``, evenly spaced over their ranks: the good set is their reference.
    """

    low: Indices
    high: Indices
    others: Indices


class Study(NamedTuple):
    """What the maps of two sets showed.

    Attributes:
        high: statistics of the faces of high quality.
        low: of those of low quality.
        test: whether the low ones vary more outside the central face.
        others: indices of single faces outside the good set.
        whole: mean deviation of each of these from the mean map of the good set, 0 to 1; higher is worse.
        outside: the same outside the central face.
    """

    high: Variation
    low: Variation
    test: PermutationTest
    others: Indices
    whole: Float[np.ndarray, " faces"]
    outside: Float[np.ndarray, " faces"]


def split(scores: Float[np.ndarray, " faces"], *, quantile: float = 0.1, limit: int | None = None) -> Sets:
    """The faces of the lowest and of the highest scores; ties by order.

    Args:
        scores: higher is better; faces with NaN are left out.
        quantile: share of the faces in either set, in (0, 0.5].
        limit: at most so many faces of each set, evenly spaced over it; None for all.

    Raises:
        PfiqError: where a set would have fewer than two faces.
    """
    order = np.argsort(scores, kind="stable")[: np.isfinite(scores).sum()]  # NaN comes last
    count = min(round(quantile * len(order)), len(order) // 2)
    if count < SMALLEST_SET:
        raise PfiqError(f"{len(order)} faces with a score are too few for two sets of {quantile:.0%}; give more faces.")
    low, high, others = order[:count], order[len(order) - count :], order[: len(order) - count]
    return Sets(*(each[_evenly_spaced(len(each), limit)] for each in (low, high, others)))


def study(
    maps_of: MapsOf,
    sets: Sets,
    region: Region,
    *,
    metadata: Mapping[str, str],
    done: Callable[[str, Variation], object] = lambda name, variation: None,
) -> Study:
    """Statistics of both sets, whether they differ, and how far single faces are from the good ones.

    In one pass and bounded memory: of each face there stay 14x14 cells of its map, and two numbers.

    Args:
        maps_of: of indices, gives index and activation map of each face, (height, width), in [0, 1]; faces that cannot
            be read it may leave out. Asked once for each face.
        sets: from ``split``.
        region: the central face.
        metadata: what goes with the statistics.
        done: told "high", then "low", and the statistics, as soon as they are there.

    Raises:
        PfiqError: where a set has fewer than two faces.

    References:
        Fu and Damer, "Explainability of the implications of supervised and unsupervised face image quality estimations
        through activation map variation analyses in face recognition models", WACVW 2022.
    """
    high_grids: list[np.ndarray] = []
    low_grids: list[np.ndarray] = []
    deviations: dict[int, tuple[float, float]] = {}

    def pooled(maps: Iterable, grids: list[np.ndarray]) -> Iterator:
        for index, map in maps:
            grids.append(pool(map[None]))
            yield index, map

    def compared(maps: Iterable) -> Iterator:
        for index, map in maps:
            whole, outside = deviation_scores(deviation(high, map[None]), region)
            deviations[index] = float(whole[0]), float(outside[0])
            yield index, map

    def statistics(name: str, maps: Iterable) -> Variation:
        variation = summarize((map[None] for _, map in maps), metadata={**metadata, "set": name})
        done(name, variation)
        return variation

    high = statistics("high", pooled(maps_of(sets.high), high_grids))
    low = statistics("low", compared(pooled(maps_of(sets.low), low_grids)))
    for _ in compared(maps_of(sets.others[~np.isin(sets.others, sets.low)])):
        pass
    for name, variation in (("high", high), ("low", low)):
        if variation.count < SMALLEST_SET:
            raise PfiqError(f"{variation.count} faces of {name} quality can be read; give two or more.")
    others = np.array([index for index in sets.others if index in deviations])
    whole, outside = np.array([deviations[index] for index in others]).reshape(-1, 2).T
    test = permutation_test(np.concatenate(high_grids), np.concatenate(low_grids), region)
    return Study(high, low, test, others, whole, outside)


def _evenly_spaced(count: int, limit: int | None) -> Indices:
    taken = min(count, limit or count)
    return np.arange(taken) * count // taken
