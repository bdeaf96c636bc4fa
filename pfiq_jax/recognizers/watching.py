"""A look inside a network while it runs: what its BatchNorms over maps get, what its blocks give.

Layers tell of themselves, to whom listens; where nobody does, nothing changes. So whoever must see inside the trunk
runs the same two functions as everybody else.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import NamedTuple

from flax import nnx
from jaxtyping import Array, Float

BLOCKS = 4
"""How many blocks a trunk has: one for each of its last four resolutions."""


class NormInput(NamedTuple):
    """What a BatchNorm over maps got, and what it learned to expect.

    Attributes:
        maps: its input.
        mean: running mean of each channel.
        var: running variance of each channel.
    """

    maps: Float[Array, "batch rows columns channels"]
    mean: Float[Array, " channels"]
    var: Float[Array, " channels"]


class Seen(NamedTuple):
    """What was seen, in the order in which it ran.

    Attributes:
        norms: one for each BatchNorm over maps; the last one of a head, over embeddings, is none.
        blocks: what each of the trunk's blocks gave, (batch, rows, columns, channels).
        replaced: what went on in the place of a block's output, by the block's number, from 1.
    """

    norms: list[NormInput]
    blocks: list[Array]
    replaced: Mapping[int, Array]


@contextmanager
def watch(replaced: Mapping[int, Array] = MappingProxyType({})) -> Iterator[Seen]:
    """Sees inside the networks that run in this context, under any transformation that starts inside it, too.

    Args:
        replaced: goes on in the place of what blocks give, by their number, from 1: its gradient is that by the
            block's output.
    """
    seen = Seen([], [], replaced)
    token = _watcher.set(seen)
    try:
        yield seen
    finally:
        _watcher.reset(token)


class MapNorm(nnx.BatchNorm):
    """A BatchNorm over maps, which can be watched."""

    def __call__(self, x, *args, **options):
        seen = _watcher.get()
        if seen is not None:
            seen.norms.append(NormInput(x, self.mean[...], self.var[...]))
        return super().__call__(x, *args, **options)


def end_of_block(x: Float[Array, "batch rows columns channels"]) -> Float[Array, "batch rows columns channels"]:
    """What the last layer of one resolution gave; trunks call this once for each of the last four."""
    seen = _watcher.get()
    if seen is None:
        return x
    seen.blocks.append(x)
    return seen.replaced.get(len(seen.blocks), x)


_watcher: ContextVar[Seen | None] = ContextVar("watcher", default=None)
