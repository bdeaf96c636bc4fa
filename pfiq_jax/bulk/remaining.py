"""The records of a run that are still to be scored."""

import itertools
from collections.abc import Iterator, Sequence

from pfiq_jax.bulk.listing import Inputs
from pfiq_jax.faces.records import Record


class Remaining:
    """Records that are still to be scored: those of some ranges of numbers. It can be counted and gone through once.

    Args:
        inputs: of the whole run.
        ranges: of numbers of records.
    """

    def __init__(self, inputs: Inputs, ranges: Sequence[range]) -> None:
        self._inputs, self._ranges = inputs, ranges

    def __len__(self) -> int:
        return sum(map(len, self._ranges))

    def __iter__(self) -> Iterator[Record]:
        return (self._inputs[number] for number in itertools.chain.from_iterable(self._ranges))
