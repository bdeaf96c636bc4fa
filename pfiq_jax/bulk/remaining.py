"""The records of a run that have not been scored yet."""

import itertools
from collections.abc import Iterator, Sequence

from pfiq_jax.bulk.listing import Inputs
from pfiq_jax.faces.records import Record


class Remaining:
    """Records that have not been scored yet. It has a length and can be iterated over.

    Args:
        inputs: all records of the run.
        ranges: the numbers of the records to score.
    """

    def __init__(self, inputs: Inputs, ranges: Sequence[range]) -> None:
        self._inputs, self._ranges = inputs, ranges

    def __len__(self) -> int:
        return sum(map(len, self._ranges))

    def __iter__(self) -> Iterator[Record]:
        return (self._inputs[number] for number in itertools.chain.from_iterable(self._ranges))
