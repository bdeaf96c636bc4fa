"""How activation maps vary over a set of faces: in one pass, in bounded memory, in parts that can be put together.

Source: Fu and Damer, "Explainability of the implications of supervised and unsupervised face image quality estimations
through activation map variation analyses in face recognition models", WACVW 2022 (AMVA), section on variation.

Sums of floats depend on the order of their terms; so activations are rounded to whole numbers of 2**-20, whose sums do
not: the same faces give the same statistics, to the bit, in whatever order, batches and processes they come.
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
BINS = 1024  # of a pixel's histogram; from the least activation to the greatest there is one centre more
MOST_FACES = 1 << 22  # their sums, each at most 2**40 a face, still fit into 63 bits
CHUNK_SIZE = 64  # faces at once: bounds the memory of one large batch
SUMS = 7

STATISTICS = ("mean", "std", "median", "squared_deviation_spread")
"""The properties of ``Variation`` that are maps."""

Map = Float[np.ndarray, "height width"]


@dataclass(frozen=True, eq=False)
class Variation:
    """Activation maps of a set of faces, in so many bytes however many faces there are: 52 million for 112x112 pixels.

    ``summarize`` makes one, ``merge`` makes one of several.

    All statistics are maps in float64, of activations rounded to 2**-20; from these, mean, std and the spread about the
    given median are exact but for the last rounding.

    Attributes:
        count: how many faces.
        sums: over the faces, of whole numbers that make up the first four powers of an activation; see ``_powers``.
        histogram: how many faces have an activation nearest to k / 1024, for k from 0 to 1024.
        metadata: what the maps are of, as recogniser and activation method; only sets that agree in it are merged.
    """

    count: int
    sums: Int64[np.ndarray, "7 height width"] = field(repr=False)
    histogram: UInt32[np.ndarray, "height width 1025"] = field(repr=False)
    metadata: Mapping[str, str]

    def __post_init__(self):
        for array in (self.sums, self.histogram):
            array.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.sums.shape[1:]
        return height, width

    @property
    def nbytes(self) -> int:
        """Bytes of memory; they grow with the pixels, not with the faces."""
        return self.sums.nbytes + self.histogram.nbytes

    @functools.cached_property
    def mean(self) -> Map:
        """Mean activation, 0..1; higher is more active.

        Raises:
            PfiqError: without faces.
        """
        self._need(1, "mean")
        return self.sums[0] / (self.count * ONE)

    @functools.cached_property
    def std(self) -> Map:
        """Standard deviation, with ``count - 1``; higher varies more.

        Raises:
            PfiqError: for fewer than two faces.
        """
        self._need(2, "standard deviation")
        first, second = self._power_sums()[:2]
        return self._sample_std(first, second) / ONE

    @functools.cached_property
    def median(self) -> Map:
        """Median activation, 0..1, to within 2**-11, an eighth of a grey level; the lower one of an even number.

        ``torch.median`` takes the lower one, the published program with it.

        Raises:
            PfiqError: without faces.
        """
        self._need(1, "median")
        return self._median_bin() / BINS

    @functools.cached_property
    def squared_deviation_spread(self) -> Map:
        """Standard deviation, with ``count - 1``, of the squared deviation from the median; higher varies more.

        The published program calls it "std_mad", though it is no median absolute deviation: where ``std`` says how
        far activations lie from their middle, this says how unequally far they do. Since the median is that of a
        histogram it is off by up to ``std / 1024``.

        Raises:
            PfiqError: for fewer than two faces.

        References:
            Fu and Damer, WACVW 2022, ``((data - data.median(0)) ** 2).std(0)`` of their program.
        """
        self._need(2, "spread")
        first, second, third, fourth = self._power_sums()
        middle = self._median_bin().astype(object) * (ONE // BINS)
        # Whole numbers without bounds, since the terms are far larger than what they add up to.
        squares = second - 2 * middle * first + self.count * middle**2
        fourths = fourth - 4 * middle * third + 6 * middle**2 * second - 4 * middle**3 * first + self.count * middle**4
        return self._sample_std(squares, fourths) / ONE**2

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a compressed ``.npz`` file, which ``load_variation`` reads; the same statistics give the same bytes.

        Raises:
            PfiqError: where it cannot be written.
        """
        from pfiq_jax.variation.variation_file import save_variation  # which knows this class

        save_variation(self, path)

    def _need(self, faces: int, statistic: str) -> None:
        if self.count < faces:
            raise PfiqError(f"{self.count} faces have no {statistic}; give at least {faces}.")

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
        """Of whole numbers, from their sum and that of their squares."""
        numerator = self.count * total_of_squares - total**2
        return np.sqrt((numerator / (self.count * (self.count - 1))).astype(np.float64))


def summarize(batches: Iterable[ArrayLike], *, metadata: Mapping[str, str] = MappingProxyType({})) -> Variation:
    """Statistics of all activation maps of some batches, each of which is looked at once and may then be forgotten.

    Args:
        batches: of maps, (faces, height, width), of one height and width, in [0, 1]; any number of faces each.
        metadata: what the maps are of, kept with the statistics.

    Raises:
        PfiqError: without batches; for maps that are misshapen, not finite or outside [0, 1]; for more than 2**22
            faces.
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
                f"activation maps of {shape[0]}x{shape[1]} pixels follow on maps of {sums.shape[1]}x{sums.shape[2]}; "
                "give maps of one size."
            )
        count = _counted(count + faces)
        for start in range(0, faces, CHUNK_SIZE):
            levels = quantize(maps[start : start + CHUNK_SIZE])
            for total, power in zip(sums, _powers(levels), strict=True):
                total += power.sum(0)
            _count_into(histogram, levels)
    if sums is None or histogram is None:
        raise PfiqError("there are no activation maps to summarize; give at least one batch of them.")
    return Variation(count, sums, histogram, dict(metadata))


def merge(variations: Iterable[Variation]) -> Variation:
    """The statistics of all faces of several sets, to the bit what ``summarize`` says of all of them at once.

    Args:
        variations: of disjoint sets of faces, as several processes made them.

    Raises:
        PfiqError: without sets; for sets of maps of other sizes or with other metadata; for more than 2**22 faces.
    """
    others = iter(variations)
    first = next(others, None)
    if first is None:
        raise PfiqError("there are no statistics to merge; give at least one set.")
    count, sums, histogram = first.count, first.sums.copy(), first.histogram.copy()
    for other in others:
        if (other.shape, other.metadata) != (first.shape, first.metadata):
            raise PfiqError(
                f"statistics ({_told(other)}) do not go together with others ({_told(first)}); merge sets that were "
                "made alike."
            )
        count = _counted(count + other.count)
        sums += other.sums
        histogram += other.histogram
    return Variation(count, sums, histogram, dict(first.metadata))


def quantize(maps: ArrayLike) -> Int64[np.ndarray, "*maps"]:
    """Activations as the nearest whole numbers of 2**-20.

    Raises:
        PfiqError: for maps that are not finite or, by more than an accelerator's division is off, outside [0, 1].
    """
    levels = np.asarray(maps, np.float64) * ONE
    if not ((levels >= -1) & (levels <= ONE + 1)).all():  # which NaN are not either
        raise PfiqError("activation maps hold values that are NaN or outside 0..1; give maps scaled to 0..1.")
    return np.rint(levels).clip(0, ONE).astype(np.int64)


def _powers(levels: np.ndarray) -> Iterable[np.ndarray]:
    """The first four powers of whole numbers up to 2**20, in parts of at most 2**40.

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
    """Adds faces to the histograms, pixel after pixel: the counts of one lie together, those of two far apart."""
    bins = (levels.reshape(len(levels), -1).T + ONE // BINS // 2) // (ONE // BINS)
    bins += np.arange(len(bins))[:, None] * (BINS + 1)
    np.add.at(histogram.reshape(-1), bins.reshape(-1), np.uint32(1))


def _counted(faces: int) -> int:
    if faces > MOST_FACES:
        raise PfiqError(f"{faces} faces are more than the {MOST_FACES} that can be summarized; take fewer of them.")
    return faces


def _told(variation: Variation) -> str:
    height, width = variation.shape
    return ", ".join((f"{height}x{width} pixels", *(f"{name} {text}" for name, text in variation.metadata.items())))
