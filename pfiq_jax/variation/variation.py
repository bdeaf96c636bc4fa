"""How activation maps vary over a set of faces, in one pass, in bounded memory, and in parts that can be merged.

Source: Fu and Damer, "Explainability of the implications of supervised and unsupervised face image quality estimations
through activation map variation analyses in face recognition models", WACVW 2022 (AMVA), section on variation.

Sums of floats depend on the order of their terms; sums of integers do not. Activations are therefore rounded to
integer multiples of 2**-20. The same faces then give statistics that are equal to the bit, in any order, in any batches
and in any number of processes.
"""

import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int64, UInt32

from pfiq_jax.errors import PfiqError

BITS = 20
ONE = 1 << BITS  # an activation of 1
BINS = 1024  # of a pixel's histogram, with 1025 centres, since the first and the last bin are half as wide
MOST_FACES = 1 << 22  # so that sums of at most 2**40 per face fit into 63 bits
CHUNK_SIZE = 64  # faces at once, which bounds the memory for a large batch
SUMS = 7

STATISTICS = ("mean", "std", "median", "squared_deviation_spread")
"""The properties of ``Variation`` that are maps."""

Map = Float[np.ndarray, "height width"]


@dataclass(frozen=True, eq=False)
class Variation:
    """Statistics of the activation maps of a set of faces.

    ``summarize`` computes them, and ``merge`` combines those of several sets. Their size does not depend on the number
    of faces. It is 52 million bytes for 112x112 pixels.

    All statistics are maps in float64, of activations rounded to 2**-20. Mean, std and the spread about the median are
    exact for these activations, up to the last rounding.

    Attributes:
        count: number of faces.
        sums: sums over the faces of integers that determine the first four powers of an activation; see ``_powers``.
        histogram: the number of faces with an activation nearest to k / 1024, for k from 0 to 1024.
        metadata: descriptions, such as recogniser and activation method; only sets with equal metadata can be merged.
    """

    count: int
    sums: Int64[np.ndarray, "7 height width"] = field(repr=False)
    histogram: UInt32[np.ndarray, "height width 1025"] = field(repr=False)
    metadata: Mapping[str, str]

    def __post_init__(self) -> None:
        for array in (self.sums, self.histogram):
            array.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.sums.shape[1:]
        return height, width

    @property
    def nbytes(self) -> int:
        """Bytes of memory. They depend on the number of pixels, but not on the number of faces."""
        return self.sums.nbytes + self.histogram.nbytes

    @functools.cached_property
    def mean(self) -> Map:
        """Mean activation, 0..1; higher is more active.

        Raises:
            PfiqError: without faces.
        """
        self._check_count(1, "mean")
        return self.sums[0] / (self.count * ONE)

    @functools.cached_property
    def std(self) -> Map:
        """Standard deviation, with ``count - 1``; higher varies more.

        Raises:
            PfiqError: for fewer than two faces.
        """
        self._check_count(2, "standard deviation")
        first, second = self._power_sums()[:2]
        return self._sample_std(first, second) / ONE

    @functools.cached_property
    def median(self) -> Map:
        """Median activation, 0..1, to within 2**-11; for an even number of faces, the lower of the two middle values.

        ``torch.median``, which the published program uses, returns this value too.

        Raises:
            PfiqError: without faces.
        """
        self._check_count(1, "median")
        return self._median_bin() / BINS

    @functools.cached_property
    def squared_deviation_spread(self) -> Map:
        """Standard deviation, with ``count - 1``, of the squared deviation from the median; higher varies more.

        The published program calls it "std_mad", but it is not a median absolute deviation. ``std`` measures how far
        activations are from their mean; this statistic measures how unequal these distances are. The median comes from
        a histogram, so the error of this statistic is up to ``std / 1024``.

        Raises:
            PfiqError: for fewer than two faces.

        References:
            Fu and Damer, WACVW 2022, ``((data - data.median(0)) ** 2).std(0)`` of their program.
        """
        self._check_count(2, "spread")
        first, second, third, fourth = self._power_sums()
        middle = self._median_bin().astype(object) * (ONE // BINS)
        # In Python's unbounded integers, since the terms are much larger than their sum.
        squares = second - 2 * middle * first + self.count * middle**2
        fourths = fourth - 4 * middle * third + 6 * middle**2 * second - 4 * middle**3 * first + self.count * middle**4
        return self._sample_std(squares, fourths) / ONE**2

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a compressed ``.npz`` file for ``load_variation``; equal statistics give equal bytes.

        Raises:
            PfiqError: if the file cannot be written.
        """
        from pfiq_jax.variation.variation_file import save_variation  # which imports this module

        save_variation(self, path)

    def _check_count(self, faces: int, statistic: str) -> None:
        if self.count < faces:
            raise PfiqError(f"{self.count} faces have no {statistic}; give {faces} or more.")

    def _power_sums(self) -> tuple[np.ndarray, ...]:
        """Sums of the first four powers, in powers of 2**-20, as Python's integers."""
        first, second, third_high, third_low, fourth_high, fourth_middle, fourth_low = self.sums.astype(object)
        return (
            first,
            second,
            third_high * ONE + third_low,
            fourth_high * ONE**2 + fourth_middle * (2 * ONE) + fourth_low,
        )

    def _median_bin(self) -> np.ndarray:
        below = np.cumsum(self.histogram, -1, dtype=np.uint32)
        return np.sum(below <= (self.count - 1) // 2, -1)

    def _sample_std(self, total: np.ndarray, total_of_squares: np.ndarray) -> Map:
        """The standard deviation of integers, from their sum and the sum of their squares."""
        numerator = self.count * total_of_squares - total**2
        return np.sqrt((numerator / (self.count * (self.count - 1))).astype(np.float64))


def summarize(batches: Iterable[ArrayLike], *, metadata: Mapping[str, str] = MappingProxyType({})) -> Variation:
    """Statistics of all activation maps in some batches, in one iteration over the batches.

    Args:
        batches: of maps, (faces, height, width), in [0, 1]. Height and width are the same in all batches; the number of
            faces may differ.
        metadata: descriptions that are saved with the statistics.

    Raises:
        PfiqError: without batches, for maps that are of another shape, not finite or outside [0, 1], and for more than
            2**22 faces.

    Example:
        >>> from pfiq_jax.variation import summarize
        >>> maps = np.linspace(0, 1, 5 * 4 * 3).reshape(5, 4, 3)
        >>> variation = summarize([maps[:3], maps[3:]])
        >>> variation.count, variation.mean.shape, round(float(variation.std.max()), 3)
        (5, (4, 3), 0.322)
    """
    count, sums, histogram = 0, None, None
    for batch in batches:
        maps = np.asarray(batch)
        if maps.ndim != 3 or 0 in maps.shape[1:]:
            raise PfiqError(f"activation maps have shape {maps.shape}; give batches of (faces, height, width).")
        faces, *shape = maps.shape
        if sums is None or histogram is None:
            sums, histogram = np.zeros((SUMS, *shape), np.int64), np.zeros((*shape, BINS + 1), np.uint32)
        if shape != [*sums.shape[1:]]:
            raise PfiqError(
                f"activation maps of {shape[0]}x{shape[1]} pixels follow maps of {sums.shape[1]}x{sums.shape[2]}; "
                "give maps of one size."
            )
        count = _counted(count + faces)
        for start in range(0, faces, CHUNK_SIZE):
            levels = quantize(maps[start : start + CHUNK_SIZE])
            for total, power in zip(sums, _powers(levels), strict=True):
                total += power.sum(0)
            _count_into(histogram, levels)
    if sums is None or histogram is None:
        raise PfiqError("there are no activation maps to summarize; give one batch or more.")
    return Variation(count, sums, histogram, dict(metadata))


def merge(variations: Iterable[Variation]) -> Variation:
    """The statistics of all faces of several sets, equal to the bit to the result of ``summarize`` for all of them.

    Args:
        variations: of disjoint sets of faces, for example from several processes.

    Raises:
        PfiqError: without sets, for maps of different sizes or with different metadata, and for more than 2**22 faces.
    """
    others = iter(variations)
    first = next(others, None)
    if first is None:
        raise PfiqError("there are no statistics to merge; give one set or more.")
    count, sums, histogram = first.count, first.sums.copy(), first.histogram.copy()
    for other in others:
        if (other.shape, other.metadata) != (first.shape, first.metadata):
            raise PfiqError(
                f"statistics ({_description(other)}) cannot be merged with others ({_description(first)}); give sets "
                "of equal size and metadata."
            )
        count = _counted(count + other.count)
        sums += other.sums
        histogram += other.histogram
    return Variation(count, sums, histogram, dict(first.metadata))


def quantize(maps: ArrayLike) -> Int64[np.ndarray, "*maps"]:
    """Activations in units of 2**-20, rounded to integers.

    Raises:
        PfiqError: for maps that are not finite or outside [0, 1] by more than the rounding of a division.
    """
    levels = np.asarray(maps, np.float64) * ONE
    if not ((levels >= -1) & (levels <= ONE + 1)).all():  # also False for NaN
        raise PfiqError("activation maps hold values that are NaN or outside 0..1; give maps scaled to 0..1.")
    return np.rint(levels).clip(0, ONE).astype(np.int64)


def _powers(levels: np.ndarray) -> Iterable[np.ndarray]:
    """The first four powers of integers up to 2**20, in parts of at most 2**40.

    With ``x**2 = 2**20 high + low``, the third power is ``2**20 (x high) + x low`` and the fourth is
    ``2**40 high**2 + 2**21 high low + low**2``.
    """
    square = levels * levels
    high, low = square >> BITS, square & (ONE - 1)
    yield levels
    yield square
    yield levels * high
    yield levels * low
    yield high * high
    yield high * low
    yield low * low


def _count_into(histogram: np.ndarray, levels: np.ndarray) -> None:
    """Adds faces to the histograms, pixel by pixel, since the counts of one pixel are adjacent in memory."""
    bins = (levels.reshape(len(levels), -1).T + ONE // BINS // 2) // (ONE // BINS)
    bins += np.arange(len(bins))[:, None] * (BINS + 1)
    np.add.at(histogram.reshape(-1), bins.reshape(-1), np.uint32(1))


def _counted(faces: int) -> int:
    if faces > MOST_FACES:
        raise PfiqError(f"{faces} faces are more than the {MOST_FACES} that can be summarized; give fewer faces.")
    return faces


def _description(variation: Variation) -> str:
    height, width = variation.shape
    return ", ".join((f"{height}x{width} pixels", *(f"{name} {text}" for name, text in variation.metadata.items())))
