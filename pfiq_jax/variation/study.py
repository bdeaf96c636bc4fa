"""A study of activation maps: faces of high and of low quality, and single faces against those of high quality."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pfiq_jax.errors import PfiqError
from pfiq_jax.variation.comparison import DeviationScores, deviation, deviation_scores
from pfiq_jax.variation.region import Region
from pfiq_jax.variation.significance import PermutationTest, permutation_test, pool
from pfiq_jax.variation.variation import Variation, summarize

QUANTILE = 0.1
SMALLEST_SET = 2  # faces, since one face has no standard deviation

Indices = Int[np.ndarray, " faces"]
Maps = Iterable[tuple[int, np.ndarray]]  # index and activation map of each face
MapsOf = Callable[[Indices], Maps]


class Sets(NamedTuple):
    """The faces of a study, as indices from the lowest score to the highest.

    Attributes:
        low: faces of the lowest scores.
        high: faces of the highest scores.
        others: a sample of all faces that are not in ``high``, evenly spaced by rank, to compare with ``high``.
    """

    low: Indices
    high: Indices
    others: Indices


class Study(NamedTuple):
    """The result of ``study_maps``.

    Attributes:
        high: statistics of the faces of high quality.
        low: statistics of the faces of low quality.
        test: whether the faces of low quality vary more outside the central face.
        others: indices of the single faces that were compared with ``high``.
        deviations: of the faces in ``others``, from the mean map of ``high``.
    """

    high: Variation
    low: Variation
    test: PermutationTest
    others: Indices
    deviations: DeviationScores


def split(scores: Float[np.ndarray, " faces"], *, quantile: float = QUANTILE, limit: int | None = None) -> Sets:
    """Selects the faces of the lowest and of the highest scores; equal scores are in the order of the faces.

    Args:
        scores: higher is better; faces with NaN are left out.
        quantile: share of the faces in each set, in (0, 0.5].
        limit: the largest number of faces per set; they are evenly spaced by rank. None for all faces.

    Raises:
        PfiqError: if a set would have fewer than two faces.
    """
    order = np.argsort(scores, kind="stable")[: np.isfinite(scores).sum()]  # NaN comes last
    count = min(round(quantile * len(order)), len(order) // 2)
    if count < SMALLEST_SET:
        raise PfiqError(f"{len(order)} faces with a score are too few for two sets of {quantile:.0%}; give more faces.")
    low, high, others = order[:count], order[len(order) - count :], order[: len(order) - count]
    return Sets(*(each[_evenly_spaced(len(each), limit)] for each in (low, high, others)))


def study_maps(
    maps_of: MapsOf,
    sets: Sets,
    region: Region,
    *,
    metadata: Mapping[str, str],
    done: Callable[[str, Variation], object] = lambda name, variation: None,
) -> Study:
    """Statistics of both sets, a test of whether they differ, and deviations of single faces from the high set.

    Each map is computed once and not kept. Per face, the means of 14x14 cells and two deviations stay in memory.

    Args:
        maps_of: yields the index and the activation map of each face in some indices, (height, width), in [0, 1]; it
            may leave out faces that cannot be read. It is called with each face once.
        sets: from ``split``.
        region: the central face.
        metadata: descriptions for the statistics; "set" is added.
        done: called with "high", then "low", and the statistics, as soon as they are computed.

    Raises:
        PfiqError: if a set has fewer than two faces.

    References:
        Fu and Damer, "Explainability of the implications of supervised and unsupervised face image quality estimations
        through activation map variation analyses in face recognition models", WACVW 2022.
    """
    high_cells: list[np.ndarray] = []
    low_cells: list[np.ndarray] = []
    deviations: dict[int, tuple[float, float]] = {}

    def pooled(maps: Maps, cells: list[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        for index, activation in maps:
            cells.append(pool(activation[None]))
            yield index, activation

    def compared(maps: Maps) -> Iterator[tuple[int, np.ndarray]]:
        for index, activation in maps:
            whole, outside = deviation_scores(deviation(high, activation[None]), region)
            deviations[index] = float(whole[0]), float(outside[0])
            yield index, activation

    def statistics(name: str, maps: Maps) -> Variation:
        variation = summarize((activation[None] for _, activation in maps), metadata={**metadata, "set": name})
        done(name, variation)
        return variation

    high = statistics("high", pooled(maps_of(sets.high), high_cells))
    low = statistics("low", compared(pooled(maps_of(sets.low), low_cells)))
    for _ in compared(maps_of(sets.others[~np.isin(sets.others, sets.low)])):
        pass
    for name, variation in (("high", high), ("low", low)):
        if variation.count < SMALLEST_SET:
            raise PfiqError(f"{variation.count} faces of {name} quality can be read; give two or more.")
    others = np.array([index for index in sets.others if index in deviations])
    whole, outside = np.array([deviations[index] for index in others]).reshape(-1, 2).T
    test = permutation_test(np.concatenate(high_cells), np.concatenate(low_cells), region)
    return Study(high, low, test, others, DeviationScores(whole, outside))


def _evenly_spaced(count: int, limit: int | None) -> Indices:
    taken = min(count, limit or count)
    return np.arange(taken) * count // taken
