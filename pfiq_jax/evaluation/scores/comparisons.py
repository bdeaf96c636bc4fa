"""Every image compared with every other, in bounded memory: what the error rates of a score are counted from."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from pfiq_jax.errors import PfiqError
from pfiq_jax.quality.ser_fiq import normalize

_TILE = 1024  # images a side of what is compared at once
_SPARE = 4  # times FMR x pairs are kept, since a resample may need more of the highest pairs than the threshold takes
_KEPT_AT_LEAST = 100_000
_SUPPORT = 10  # non-mated pairs over the threshold, under which the threshold is little more than chance


class Comparisons(NamedTuple):
    """All pairs of images: the mated ones, of one identity, and the most similar of the non-mated ones.

    Attributes:
        identities: of each image, numbered from 0.
        mated: images of each mated pair, the lower index first.
        mated_similarity: their cosines, in [-1, 1].
        non_mated: images of the most similar non-mated pairs, the most similar pair first.
        non_mated_similarity: their cosines, descending.
        non_mated_count: of all non-mated pairs, kept or not.
        nearest_other: cosine of each image and the most similar one of another identity; -inf if there is none.
    """

    identities: Int[np.ndarray, " images"]
    mated: Int[np.ndarray, "mated 2"]
    mated_similarity: Float[np.ndarray, " mated"]
    non_mated: Int[np.ndarray, "kept 2"]
    non_mated_similarity: Float[np.ndarray, " kept"]
    non_mated_count: int
    nearest_other: Float[np.ndarray, " images"]


def compare_all_pairs(
    embeddings: ArrayLike, identities: Sequence[object] | np.ndarray, *, fmr: float = 1e-3
) -> Comparisons:
    """Compares all n (n - 1) / 2 pairs of images by the cosine of their embeddings, in float32.

    Memory holds the mated pairs, 4 x FMR of the non-mated ones (100,000 at least) and one tile of the matrix.

    Args:
        embeddings: (n, dim), of any length.
        identities: n labels; equal labels are one person.
        fmr: the highest false match rate that a threshold will be asked for.

    Raises:
        PfiqError: for embeddings that are no finite (n, dim), another number of labels, or a rate outside (0, 1).
    """
    points = np.asarray(embeddings)
    check_fmr(fmr)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise PfiqError(f"embeddings have shape {points.shape}, or hold NaN; give finite ones of shape (images, dim).")
    if len(identities) != len(points):
        raise PfiqError(f"there are {len(points)} embeddings but {len(identities)} identities; give one an embedding.")
    _, labels = np.unique(np.asarray(identities), return_inverse=True)
    count = len(points)
    non_mated_count = int(non_mated_weight(labels, np.ones(count, np.int64)))
    keep = min(non_mated_count, max(_KEPT_AT_LEAST, math.ceil(_SPARE * fmr * non_mated_count)))

    size = min(_TILE, max(count, 1))
    padding = -count % size
    units = np.pad(np.asarray(normalize(jnp.asarray(points, jnp.float32))), ((0, padding), (0, 0)))
    padded = np.pad(labels.astype(np.int32), (0, padding), constant_values=-1)
    highest = _Highest(keep)
    nearest = np.full(count + padding, -np.inf, np.float32)
    mated, mated_similarity = [], []
    for top in range(0, count, size):
        for left in range(top, count, size):
            rows, columns = slice(top, top + size), slice(left, left + size)
            tile = _compare(units[rows], padded[rows], units[columns], padded[columns], top == left)
            similarity, same, other, of_row, of_column = map(np.asarray, tile)
            corner = np.array((top, left))
            at = np.argwhere(same)
            mated.append(at + corner)
            mated_similarity.append(similarity[same])
            highest.add(other, corner)
            nearest[rows] = np.maximum(nearest[rows], of_row)
            nearest[columns] = np.maximum(nearest[columns], of_column)
    pairs, similarities = highest.sorted()
    return Comparisons(
        labels,
        np.concatenate([np.zeros((0, 2), np.int64), *mated]),
        np.concatenate([np.zeros(0, np.float32), *mated_similarity]),
        pairs,
        similarities,
        non_mated_count,
        nearest[:count],
    )


def threshold_at_fmr(
    comparisons: Comparisons, fmr: float = 1e-3, weights: Int[np.ndarray, " images"] | None = None
) -> float:
    """The similarity from which two images match, so that the given share of all non-mated pairs does.

    It is ``numpy.quantile(similarities of all non-mated pairs, 1 - fmr)``, interpolated linearly, to the last digits.

    Args:
        comparisons: of at least one non-mated pair.
        fmr: false match rate, no higher than the pairs were kept for.
        weights: how often each image counts, 0 or more; a pair counts as often as the product says. Should the kept
            pairs not reach so far down in such a sample, the lowest of them is returned.

    Raises:
        PfiqError: where there are no non-mated pairs, and for a rate outside (0, 1).
    """
    check_fmr(fmr)
    similarity = comparisons.non_mated_similarity
    if weights is None:
        total, ranks = comparisons.non_mated_count, None
    else:
        total = int(non_mated_weight(comparisons.identities, weights))
        ranks = np.cumsum(weights[comparisons.non_mated].prod(1))
    if not total:
        raise PfiqError("there are no two images of different identity, and so no false match rate; add identities.")
    position = fmr * (total - 1)  # from the top, among pairs repeated as their weights say
    at = np.floor(position) + np.arange(2)
    if ranks is not None:
        at = np.searchsorted(ranks, at, side="right")
    upper, lower = similarity[np.minimum(at.astype(np.int64), len(similarity) - 1)].astype(np.float64)
    return float(upper + (position % 1) * (lower - upper))


def support_warning(non_mated_count: int, fmr: float) -> str | None:
    """Says in a sentence that too few non-mated pairs lie over the threshold for it to mean much; None if enough do."""
    check_fmr(fmr)
    if fmr * non_mated_count >= _SUPPORT:
        return None
    return (
        f"{non_mated_count:,} non-mated pairs are few for a false match rate of {fmr:g}: only about "
        f"{fmr * non_mated_count:.2g} of them set the threshold; {math.ceil(_SUPPORT / fmr):,} pairs or more would be "
        "better."
    )


def non_mated_weight(identities: Int[np.ndarray, " images"], weights: Int[np.ndarray, " images"]) -> int:
    """The number of non-mated pairs, each counted as often as the product of its images' weights."""
    of_identity = np.bincount(identities, weights)
    return round((of_identity.sum() ** 2 - np.square(of_identity).sum()) / 2)


def check_fmr(fmr: float) -> None:
    """Raises a PfiqError for a false match rate outside (0, 1)."""
    if not 0 < fmr < 1:
        raise PfiqError(f"the false match rate is {fmr}; give one between 0 and 1, as 0.001.")


@functools.partial(jax.jit, static_argnums=4)
def _compare(
    left: Float[Array, "size dim"],
    left_labels: Int[Array, " size"],
    right: Float[Array, "size dim"],
    right_labels: Int[Array, " size"],
    is_diagonal: bool,
) -> tuple[
    Float[Array, "size size"],
    Bool[Array, "size size"],
    Float[Array, "size size"],
    Float[Array, " size"],
    Float[Array, " size"],
]:
    """Similarities; which are mated; those of non-mated pairs, others -inf; and the highest of these by each side."""
    similarity = jnp.clip(jnp.matmul(left, right.T, precision="highest"), -1, 1)
    real = (left_labels >= 0)[:, None] & (right_labels >= 0)[None, :]
    if is_diagonal:
        real &= jnp.triu(jnp.ones_like(real), 1)
    same = left_labels[:, None] == right_labels[None, :]
    other = jnp.where(real & ~same, similarity, -jnp.inf)
    return similarity, real & same, other, jnp.max(other, 1), jnp.max(other, 0)


class _Highest:
    """The highest of many similarities, and where they stand."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._bound = np.float32(-np.inf)  # no lower one can be among the highest any more
        self._pairs = np.zeros((0, 2), np.int64)
        self._similarities = np.zeros(0, np.float32)

    def add(self, tile: np.ndarray, corner: np.ndarray) -> None:
        chosen = tile > self._bound
        self._pairs = np.concatenate([self._pairs, np.argwhere(chosen) + corner])
        self._similarities = np.concatenate([self._similarities, tile[chosen]])
        excess = len(self._similarities) - self._keep
        if excess > self._keep:
            at = np.argpartition(self._similarities, excess)[excess:]
            self._pairs, self._similarities = self._pairs[at], self._similarities[at]
            self._bound = self._similarities.min()

    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._pairs.T
        at = np.lexsort((second, first, -self._similarities))[: self._keep]
        return self._pairs[at], self._similarities[at]
