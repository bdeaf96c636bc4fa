"""A permutation test of whether activation maps vary more over faces of low quality than over faces of high quality.

Source: Good, "Permutation, parametric and bootstrap tests of hypotheses", 2005; for many cells at once, Nichols and
Holmes, "Nonparametric permutation tests for functional neuroimaging", 2002. Fu and Damer, WACVW 2022, state the
hypothesis without a test.
"""

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float32, Float64

from pfiq_jax.errors import PfiqError
from pfiq_jax.variation.region import Region, check_region
from pfiq_jax.variation.variation import ONE, quantize

GRID = 14  # cells per side: twice the 7x7 places of the features, from which the maps are made
AT_ONCE = 1 << 22  # numbers in memory, of all permutations that are computed together
TIE = 1e-12  # activations; two roundings of one difference differ by less

Cells = Float32[np.ndarray, "_faces _rows _columns"]


class PermutationTest(NamedTuple):
    """How much more faces of low quality vary than faces of high quality, and the p-value of this difference.

    Attributes:
        difference: mean of ``std_low - std_high`` over the pixels outside the central face, from the means of cells.
        p_value: the probability of this or a greater difference under the null hypothesis that both sets are alike. It
            is small if faces of low quality vary more.
        cell_differences: ``std_low - std_high`` of each cell.
        cell_p_values: family-wise p-value of each cell (max-statistic): the probability that any cell has such a
            difference under the null hypothesis.
    """

    difference: float
    p_value: float
    cell_differences: Float64[np.ndarray, "rows columns"]
    cell_p_values: Float64[np.ndarray, "rows columns"]


def pool(maps: ArrayLike) -> Cells:
    """Means of activation maps over 14x14 cells, 784 bytes per face; equal to the bit in any batch.

    Args:
        maps: (faces, height, width), in [0, 1]. Fewer than 14 rows or columns have one cell each.

    Raises:
        PfiqError: for maps that are of another shape, not finite or outside [0, 1].
    """
    levels = quantize(maps)
    if levels.ndim != 3:
        raise PfiqError(f"activation maps have shape {levels.shape}; give a batch of (faces, height, width).")
    return (_cell_means(levels) / ONE).astype(np.float32)


def permutation_test(
    high: Cells, low: Cells, region: Region, *, permutations: int = 1000, seed: int = 0
) -> PermutationTest:
    """Tests whether faces of low quality vary more than those of high quality outside the central face.

    Under the null hypothesis, all ways to divide the faces into two sets of these sizes are equally probable. P-values
    are ``(1 + hits) / (1 + permutations)``. They are never 0 and do not depend on the order of the faces.

    Args:
        high: faces of high quality, as ``pool`` returns them; two or more.
        low: faces of low quality; two or more.
        region: the central face, in pixels of the maps.
        permutations: number of permutations; if the faces have fewer, all of them are used.
        seed: of the permutations.

    Raises:
        PfiqError: for fewer than two faces in a set, and for a region that is empty or the whole image.
    """
    from scipy import stats  # takes long to import

    if permutations < 1:
        raise PfiqError(f"permutations is {permutations}; give 1 or more.")
    check_region(region, region.shape)
    outside = _cell_means((~region[None]).astype(np.int64))[0]
    _check_cells(high, low, outside.shape)
    weights = (outside * _cell_sizes(region.shape)).reshape(-1) / (~region).sum()
    tested = stats.permutation_test(
        (_in_order(low), _in_order(high)),
        _difference,
        vectorized=True,
        axis=-1,
        n_resamples=permutations,
        batch=max(1, AT_ONCE // (weights.size * (len(high) + len(low)))),
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    cells, by_chance = tested.statistic, tested.null_distribution
    difference = np.sum(cells * weights, keepdims=True)
    return PermutationTest(
        difference.item(),
        _p_values(difference, (by_chance * weights).sum(1)).item(),
        cells.reshape(outside.shape),
        _p_values(cells, by_chance.max(1)).reshape(outside.shape),
    )


def _check_cells(high: np.ndarray, low: np.ndarray, shape: tuple[int, ...]) -> None:
    if min(len(high), len(low)) < 2:
        raise PfiqError(f"{len(high)} and {len(low)} faces are too few to compare; give two or more of each quality.")
    if high.shape[1:] != shape or low.shape[1:] != shape:
        raise PfiqError(
            f"cells of {high.shape[1:]} and {low.shape[1:]} do not fit a region with {shape} cells; give results of "
            "`pool` for maps of the region's size."
        )


def _difference(low: np.ndarray, high: np.ndarray, axis: int) -> np.ndarray:
    return low.std(axis, ddof=1) - high.std(axis, ddof=1)


def _p_values(observed: np.ndarray, by_chance: np.ndarray) -> Float64[np.ndarray, " observed"]:
    """The p-value of each observation. The observation counts as one of the permutations."""
    return (1 + (by_chance >= observed[..., None] - TIE).sum(-1)) / (1 + len(by_chance))


def _in_order(cells: Cells) -> Float64[np.ndarray, "cells faces"]:
    """Faces sorted by their cells, so that the permutations of a seed do not depend on the order of the faces."""
    columns = cells.reshape(len(cells), -1).T.astype(np.float64)
    return columns[:, np.lexsort(columns)]


def _cell_means(values: np.ndarray) -> Float64[np.ndarray, "faces rows columns"]:
    """Means over cells. The values are integers, so their sums are exact in any order."""
    rows, columns = (_edges(length) for length in values.shape[1:])
    sums = np.add.reduceat(np.add.reduceat(values, rows, 1), columns, 2)
    return sums / _cell_sizes(values.shape[1:])


def _cell_sizes(shape: tuple[int, ...]) -> np.ndarray:
    """The number of pixels of each cell."""
    rows, columns = (np.diff(_edges(length), append=length) for length in shape)
    return rows[:, None] * columns


def _edges(length: int) -> np.ndarray:
    cells = min(GRID, length)
    return np.arange(cells) * length // cells
