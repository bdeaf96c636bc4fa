"""Embeddings and scores of image files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.reading import NONE_USABLE, Face, ReadFaces


class MeasuredFiles(NamedTuple):
    """The result of ``measure_files``: one row per face that could be read, in the order of the files.

    Attributes:
        embeddings: of the faces.
        scores: raw scores by method; higher is better.
        is_read: for each file, whether its face could be read.
    """

    embeddings: Float[np.ndarray, "faces dim"]
    scores: dict[str, Float[np.ndarray, " faces"]]
    is_read: Bool[np.ndarray, " files"]


def measure_files(
    compute: Callable[[np.ndarray], tuple[ArrayLike, Mapping[str, ArrayLike]]],
    paths: Sequence[Path],
    read: ReadFaces,
    *,
    note: Callable[[Path, Face | PfiqError], object] = lambda path, face: None,
    advance: Callable[[int], object] = lambda faces: None,
) -> MeasuredFiles:
    """Embeddings and raw scores of the faces in files.

    Args:
        compute: returns the embeddings and the scores by method of a batch of images, as
            ``functools.partial(embeddings_and_scores, recognizer, methods=...)`` does.
        paths: of the files, at least one.
        read: returns the faces in a file.
        note: called with each path and its face, or with the error if it has no face.
        advance: called with the number of faces processed since the last call.

    Raises:
        PfiqError: if no face can be read.
    """
    is_read, rows = [], []
    for batch in over_files(compute, paths, read):
        for path, face, row in batch:
            note(path, face)
            is_read.append(isinstance(face, Face))
            if isinstance(face, Face):
                rows.append(row)
        advance(len(batch))
    if not rows:
        raise PfiqError(NONE_USABLE.format(len(paths)))
    embeddings, scores = jax.tree.map(lambda *parts: np.stack(parts), *rows)
    return MeasuredFiles(embeddings, scores, np.array(is_read))
