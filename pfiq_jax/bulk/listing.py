"""A sequence of records that takes little memory, whatever the source of the records."""

import hashlib
import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from pfiq_jax.faces.records import RGB, Box, Open, Record
from pfiq_jax.recognizers.preprocessing import Points

BLOCK = 10_000  # records whose names are put into a fingerprint at a time


def nothing(number: int) -> None:
    """The function for a field that is not known of any record."""


@dataclass(frozen=True)
class Listing:
    """Images of one kind of input, such as a list or an archive.

    Attributes:
        names: the names of the images in tables.
        content: function from a record's number in this listing to its content.
        landmarks: the same for its landmarks.
        box: the same for the box of the face to score.
        described: what identifies the inputs in addition to their names, such as sizes in an archive.
    """

    names: Sequence[str]
    content: Callable[[int], Path | bytes | RGB | Open]
    landmarks: Callable[[int], Points | None] = nothing
    box: Callable[[int], Box | None] = nothing
    described: bytes = b""


class Inputs(Sequence[Record]):
    """All records of a run, in order. Each is made when it is accessed.

    Args:
        listings: in the order of the records.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        self.listings = listings
        self._ends = list(itertools.accumulate(len(listing.names) for listing in listings))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        place = bisect_right(self._ends, number)
        listing = self.listings[place]
        local = number - (self._ends[place - 1] if place else 0)
        landmarks, box = listing.landmarks(local), listing.box(local)
        return Record(listing.names[local], listing.content(local), landmarks, box, number)

    def names(self) -> Iterator[str]:
        """The names of all records, in order."""
        return itertools.chain.from_iterable(listing.names for listing in self.listings)

    def fingerprint(self) -> str:
        """The SHA-256 of the names, in order, and of the descriptions of the listings; not of the images themselves."""
        found = hashlib.sha256()
        for listing in self.listings:
            found.update(listing.described)
            for start in range(0, len(listing.names), BLOCK):
                block = "\0".join(listing.names[start : start + BLOCK]) + "\0"
                found.update(block.encode("utf-8", "surrogateescape"))
        return found.hexdigest()
