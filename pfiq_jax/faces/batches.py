"""Many faces, from arrays or from files, in batches of one shape, so that nothing is compiled twice."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.reading import Face, ReadFaces, faces_or_error

CPU_BATCH_SIZE = 4  # larger ones are hardly faster, and it takes longer until their results are there
ACCELERATOR_BATCH_SIZE = 256


def default_batch_size() -> int:
    """How many faces the default device computes best at once."""
    return CPU_BATCH_SIZE if jax.default_backend() == "cpu" else ACCELERATOR_BATCH_SIZE


def batches(count: int, size: int | None = None) -> Iterator[tuple[np.ndarray, int]]:
    """The indices of the faces of each batch, and how many of them count.

    All batches have the same size: the last one is filled up with the last face.

    Args:
        count: number of faces.
        size: of each batch. By default at most ``default_batch_size()``, and such that little is filled up.
    """
    if size is None:
        size = math.ceil(count / math.ceil(count / default_batch_size())) if count else 1
    for start in range(0, count, size):
        yield np.minimum(np.arange(start, start + size), count - 1), min(size, count - start)


def in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Applies a function of batches to all rows of arrays.

    Args:
        function: of as many arrays as there are, preferably jitted; returns a pytree of arrays with one row per face.
        arrays: with equally many rows, at least one.

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
    paths: Sequence[Path],
    read: ReadFaces,
    *,
    size: tuple[int, int],
    batch_size: int | None = None,
) -> Iterator[list[tuple[Path, Face | PfiqError, Any]]]:
    """Applies a function of a batch of faces to many files, in order. It reads some files while it computes others.

    Args:
        compute: of images (batch_size, height, width, 3); returns a pytree of arrays with one row per face. Preferably
            jitted: it always gets the same shape.
        paths: of the files.
        read: returns the faces in a file.
        size: height and width of the faces.
        batch_size: also how many files are read at once. None for ``default_batch_size()``.

    Yields:
        Batch by batch, for each face the path of its file, the face and its row of the pytree, on the host. A file
        without faces has one entry: its path, the reason, and a row that means nothing.
    """
    at_once = batch_size or default_batch_size()
    for found in read_ahead(paths, read, at_once):
        for rows, real in batches(len(found), at_once):
            faces = [face for _, face in (found[row] for row in rows)]
            images = [face.image if isinstance(face, Face) else np.zeros((*size, 3), np.uint8) for face in faces]
            results = jax.device_get(compute(np.stack(images)))
            yield [
                (*found[row], jax.tree.map(lambda leaf, place=place: leaf[place], results))
                for place, row in enumerate(rows[:real])
            ]


def read_ahead(paths: Sequence[Path], read: ReadFaces, at_once: int) -> Iterator[list[tuple[Path, Face | PfiqError]]]:
    """The faces in files, in order. Some files are read in threads while those before them are used.

    Args:
        paths: of the files.
        read: returns the faces in a file.
        at_once: how many files are read at once.

    Yields:
        For as many files, each face with the path of its file, or the path and the reason why there is none.
    """
    attempt = functools.partial(faces_or_error, read=read)
    groups = [paths[start : start + at_once] for start in range(0, len(paths), at_once)]
    with ThreadPoolExecutor() as pool:
        reading = [pool.map(attempt, group) for group in groups[:1]]
        for index, group in enumerate(groups):
            found = [(path, face) for path, faces in zip(group, reading.pop(), strict=True) for face in faces]
            reading = [pool.map(attempt, following) for following in groups[index + 1 : index + 2]]
            yield found
