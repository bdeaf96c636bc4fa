"""Many faces, from arrays or from files, in batches of equal shape, so that nothing is compiled twice."""

import contextlib
import functools
import itertools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.fitting import FittingBatches, Started
from pfiq_jax.faces.reading import Face, ReadFaces, faces_or_error
from pfiq_jax.faces.records import Source

AnySource = TypeVar("AnySource", bound=Source)

CPU_BATCH_SIZE = 4  # larger batches are hardly faster, and their results arrive later
ACCELERATOR_BATCH_SIZE = 256
MOST_ENTRIES = 8  # per face of a batch: bounds the number of sources without faces that are kept


def default_batch_size() -> int:
    """The number of faces that suits the default device best."""
    return CPU_BATCH_SIZE if jax.default_backend() == "cpu" else ACCELERATOR_BATCH_SIZE


def batches(count: int, size: int | None = None) -> Iterator[tuple[np.ndarray, int]]:
    """The indices of the faces of each batch, and its number of faces without the padding.

    All batches have the same size: the last batch is padded with copies of the last face.

    Args:
        count: number of faces.
        size: size of each batch. By default at most ``default_batch_size()``, chosen so that there is little padding.
    """
    if size is None:
        size = math.ceil(count / math.ceil(count / default_batch_size())) if count else 1
    for start in range(0, count, size):
        yield np.minimum(np.arange(start, start + size), count - 1), min(size, count - start)


def in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Applies a function of batches to all rows of arrays.

    Args:
        function: takes a batch of each array; returns a pytree of arrays with one row per face. Preferably jitted.
        arrays: arrays with equal numbers of rows, at least one.

    Returns:
        The pytree, with one row per face, as NumPy arrays on the host.
    """
    parts = [
        jax.tree.map(lambda leaf, real=real: np.asarray(leaf)[:real], function(*(array[rows] for array in arrays)))
        for rows, real in batches(len(arrays[0]))
    ]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def over_files(
    compute: Callable[[np.ndarray], Any],
    sources: Iterable[AnySource],
    read: ReadFaces,
    *,
    batch_size: int | None = None,
    multiple: int = 1,
    together: Callable[[AnySource], object] = lambda source: None,
    halved: Callable[[int], object] = lambda size: None,
) -> Iterator[list[tuple[AnySource, Face | PfiqError, Any]]]:
    """Applies a function of a batch of faces to many sources, in order.

    Some sources are read, one batch is computed and the results of another are used, all at the same time. Memory does
    not grow with the number of sources. Batches are full, whatever the number of faces in a source.

    Args:
        compute: takes images (batch_size, height, width, 3); returns a pytree of arrays with one row per face.
            Preferably jitted: it always gets the same shape, and returns before the results are computed.
        sources: files or records. They are taken as they are needed.
        read: returns the faces in a source.
        batch_size: size of the first batches. None for ``default_batch_size()``.
        multiple: batch sizes are multiples of it.
        together: a batch ends where the value of this function of a source changes. The results of a face then depend
            only on faces with the same value.
        halved: called with the new size if batches do not fit into the device's memory and are halved.

    Yields:
        Batch by batch, for each face its source, the face and its row of the pytree, on the host. A source without
        faces has one entry: the source, the reason, and None.

    Raises:
        PfiqError: if the smallest batch does not fit into the device's memory.
    """
    batches = FittingBatches(compute, batch_size or default_batch_size(), multiple, halved)
    started: deque[tuple[list[tuple[AnySource, Face | PfiqError]], Started | None]] = deque()
    with contextlib.closing(read_ahead(sources, read, 2 * batches.size)) as found:
        for entries in _full(found, batches, together):
            images = [face.image for _, face in entries if isinstance(face, Face)]
            started.append((entries, batches.start(images) if images else None))
            if len(started) > 1:
                yield _rows(batches, *started.popleft())
        while started:
            yield _rows(batches, *started.popleft())


def read_ahead(
    sources: Iterable[AnySource], read: ReadFaces, ahead: int
) -> Generator[tuple[AnySource, Sequence[Face | PfiqError]]]:
    """The faces in sources, in order. Some sources are read in threads while those before them are used.

    Args:
        sources: files or records. They are taken as they are needed.
        read: returns the faces in a source.
        ahead: number of sources that are read ahead.

    Yields:
        Each source with its faces, or with one error that states why it has none.
    """
    attempt = functools.partial(faces_or_error, read=read)
    reading: deque[tuple[AnySource, Future[Sequence[Face | PfiqError]]]] = deque()
    with ThreadPoolExecutor() as pool:
        try:
            for source in sources:
                reading.append((source, pool.submit(attempt, source)))
                if len(reading) > ahead:
                    first, faces = reading.popleft()
                    yield first, faces.result()
            while reading:
                first, faces = reading.popleft()
                yield first, faces.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _full(
    found: Iterable[tuple[AnySource, Sequence[Face | PfiqError]]],
    batches: FittingBatches,
    together: Callable[[AnySource], object],
) -> Iterator[list[tuple[AnySource, Face | PfiqError]]]:
    """Groups of as many faces as fit into a batch at that time."""
    entries: list[tuple[AnySource, Face | PfiqError]] = []
    count, kind = 0, None
    for source, faces in found:
        previous, kind = kind, together(source)
        if entries and kind != previous:
            yield entries
            entries, count = [], 0
        for face in faces:
            entries.append((source, face))
            count += isinstance(face, Face)
            if count >= batches.size or len(entries) >= MOST_ENTRIES * batches.size:
                yield entries
                entries, count = [], 0
    if entries:
        yield entries


def _rows(
    batches: FittingBatches, entries: list[tuple[AnySource, Face | PfiqError]], started: Started | None
) -> list[tuple[AnySource, Face | PfiqError, Any]]:
    """The entries of a batch with their results."""
    results = None if started is None else batches.finish(started)
    places = itertools.count()

    def row(face: Face | PfiqError) -> Any:
        if isinstance(face, PfiqError):
            return None
        place = next(places)
        return jax.tree.map(lambda leaf: leaf[place], results)

    return [(source, face, row(face)) for source, face in entries]
