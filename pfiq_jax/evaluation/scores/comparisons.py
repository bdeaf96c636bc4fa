"""Comparisons of all pairs of images in bounded memory, from which the error rates of a recogniser are computed."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from pfiq_jax.bounds import at_least, at_most
from pfiq_jax.errors import PfiqError
from pfiq_jax.vectors import normalize

FMR = 1e-3
"""The false match rate of all thresholds, unless another one is given."""

_TILE = 1024  # images per side of a block that is compared at once
_SPARE = 4  # times FMR x pairs are kept, since the threshold of a resample may be below that of all pairs
_KEPT_AT_LEAST = 100_000
_SUPPORT = 10  # non-mated pairs above a threshold; with fewer, the threshold is little more than chance


class Comparisons(NamedTuple):
    """All mated pairs of images (two images of one person) and the most similar non-mated pairs.

    Attributes:
        identities: the person of each image, numbered from 0.
        mated: indices of the two images of each mated pair, the lower index first.
        mated_similarity: cosine of each mated pair, in [-1, 1].
        non_mated: indices of the most similar non-mated pairs, the most similar pair first.
        non_mated_similarity: their cosines, descending.
        non_mated_count: the number of all non-mated pairs, kept or not.
        nearest_other: of each image, the cosine to the most similar image of another person; -inf if there is none.
    """

    identities: Int[np.ndarray, " images"]
    mated: Int[np.ndarray, "mated 2"]
    mated_similarity: Float[np.ndarray, " mated"]
    non_mated: Int[np.ndarray, "kept 2"]
    non_mated_similarity: Float[np.ndarray, " kept"]
    non_mated_count: int
    nearest_other: Float[np.ndarray, " images"]


def compare_all_pairs(
    embeddings: ArrayLike, identities: Sequence[object] | np.ndarray, *, fmr: float = FMR
) -> Comparisons:
    """Compares all n (n - 1) / 2 pairs of images by the cosine of their embeddings, in float32.

    The memory holds the mated pairs, a share of 4 x FMR of the non-mated pairs (at least 100,000), and one block of the
    matrix of similarities.

    Args:
        embeddings: (n, dim), of any length.
        identities: n labels; equal labels are one person.
        fmr: the highest false match rate for which a threshold will be computed.

    Raises:
        PfiqError: for embeddings that are not of shape (n, dim) or not finite, for a wrong number of labels, and for a
            rate outside (0, 1).
    """
    points = np.asarray(embeddings)
    check_fmr(fmr)
    if points.ndim != 2:
        raise PfiqError(f"embeddings have shape {points.shape}; give an array of shape (images, dim).")
    if not np.isfinite(points).all():
        raise PfiqError("embeddings hold NaN or infinite values; leave out the images that they belong to.")
    if len(identities) != len(points):
        raise PfiqError(
            f"identities: there are {len(identities)} for {len(points)} embeddings; give one per embedding."
        )
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
    comparisons: Comparisons, fmr: float = FMR, weights: Int[np.ndarray, " images"] | None = None
) -> float:
    """The threshold at a false match rate: the given share of all non-mated pairs has this similarity or more.

    It equals ``numpy.quantile(similarities of all non-mated pairs, 1 - fmr)``, with linear interpolation, up to
    rounding.

    Args:
        comparisons: with at least one non-mated pair.
        fmr: false match rate, at most the one that ``compare_all_pairs`` was given.
        weights: how often each image counts, 0 or more. A pair counts as often as the product of the weights of its
            images. If the threshold of such a sample is below all kept pairs, the lowest kept similarity is returned.

    Raises:
        PfiqError: if there are no non-mated pairs, and for a rate outside (0, 1).
    """
    check_fmr(fmr)
    similarity = comparisons.non_mated_similarity
    if weights is None:
        total, ranks = comparisons.non_mated_count, None
    else:
        total = int(non_mated_weight(comparisons.identities, weights))
        ranks = np.cumsum(weights[comparisons.non_mated].prod(1))
    if not total:
        raise PfiqError(
            "there are no two images of different people, so there is no false match rate; give faces of more people."
        )
    position = fmr * (total - 1)  # from the top, among pairs repeated by their weights
    at = np.floor(position) + np.arange(2)
    if ranks is not None:
        at = np.searchsorted(ranks, at, side="right")
    upper, lower = similarity[np.minimum(at.astype(np.int64), len(similarity) - 1)].astype(np.float64)
    return float(upper + (position % 1) * (lower - upper))


def support_warning(non_mated_count: int, fmr: float) -> str | None:
    """A warning, in one sentence, if a threshold depends on too few non-mated pairs; None if there are enough."""
    check_fmr(fmr)
    if fmr * non_mated_count >= _SUPPORT:
        return None
    return (
        f"{non_mated_count:,} non-mated pairs are few for a false match rate of {fmr:g}: the threshold depends on only "
        f"about {fmr * non_mated_count:.2g} of them; use {math.ceil(_SUPPORT / fmr):,} pairs or more."
    )


def non_mated_weight(identities: Int[np.ndarray, " images"], weights: Int[np.ndarray, " images"]) -> int:
    """The number of non-mated pairs, each counted as often as the product of the weights of its images."""
    of_identity = np.bincount(identities, weights)
    return round((of_identity.sum() ** 2 - np.square(of_identity).sum()) / 2)


def check_fmr(fmr: float) -> None:
    """Raises a PfiqError for a false match rate outside (0, 1)."""
    if not 0 < fmr < 1:
        raise PfiqError(f"the false match rate is {fmr}; give a number between 0 and 1, such as 0.001.")


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
    """Compares a block of images on the left with a block on the right.

    Returns:
        All similarities; whether each pair is mated; the similarities of non-mated pairs, and -inf for all others; the
        highest non-mated similarity in each row, and in each column.
    """
    similarity = at_most(at_least(jnp.matmul(left, right.T, precision="highest"), -1.0), 1.0)
    real = (left_labels >= 0)[:, None] & (right_labels >= 0)[None, :]
    if is_diagonal:
        real &= jnp.triu(jnp.ones_like(real), 1)
    same = left_labels[:, None] == right_labels[None, :]
    other = jnp.where(real & ~same, similarity, -jnp.inf)
    return similarity, real & same, other, jnp.max(other, 1), jnp.max(other, 0)


class _Highest:
    """The highest of many similarities, with the indices of their images."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._bound = np.float32(-np.inf)  # lower similarities can no longer be among the highest
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
