"""A study of the activation maps of faces in files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, UInt8

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.reading import Face, ReadFaces
from pfiq_jax.variation.region import Region
from pfiq_jax.variation.study import Sets, Study, study_maps
from pfiq_jax.variation.variation import Variation

EXAMPLES = 4  # faces from each end of the scores


class Example(NamedTuple):
    """A face with its score and its activation map.

    Attributes:
        score: higher is better.
        image: RGB, 0..255.
        activation: its activation map, in [0, 1].
    """

    score: float
    image: UInt8[np.ndarray, "height width 3"]
    activation: Float[np.ndarray, "height width"]


class FilesStudy(NamedTuple):
    """The result of ``study_files``.

    Attributes:
        found: statistics, test and deviations.
        region: the central face.
        paths: files of ``found.others``.
        scores: of ``found.others``; higher is better.
        examples: some faces with the highest, then with the lowest scores.
    """

    found: Study
    region: Region
    paths: list[Path]
    scores: Float[np.ndarray, " others"]
    examples: list[Example]


def study_files(
    compute: Callable[[np.ndarray], ArrayLike],
    paths: Sequence[Path],
    scores: Float[np.ndarray, " files"],
    sets: Sets,
    read: ReadFaces,
    region: Region,
    *,
    metadata: Mapping[str, str],
    note: Callable[[Path, Face | PfiqError], object] = lambda path, face: None,
    advance: Callable[[int], object] = lambda faces: None,
    done: Callable[[str, Variation], object] = lambda name, variation: None,
) -> FilesStudy:
    """Studies the activation maps of faces of high and of low scores.

    Args:
        compute: the activation maps of a batch of images, in [0, 1].
        paths: of all files.
        scores: of all files; higher is better.
        sets: the files to use, from ``split``.
        read: returns the faces in a file.
        region: the central face, of the size of the faces.
        metadata: descriptions for the statistics.
        note: called with each path that is used and its face, or with the error if it has no face.
        advance: called with 1 after each face.
        done: called with "high", then "low", and the statistics, as soon as they are computed.

    Raises:
        PfiqError: if fewer than two faces of a set can be read.
    """
    ends = [*sets.high[-EXAMPLES:].tolist(), *sets.low[:EXAMPLES].tolist()]
    examples: dict[int, Example] = {}

    def maps_of(indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        batches = over_files(compute, [paths[index] for index in indices], read)
        rows = (row for batch in batches for row in batch)
        for index, (path, face, activation) in zip(indices.tolist(), rows, strict=True):
            advance(1)
            note(path, face)
            if isinstance(face, PfiqError):
                continue
            if index in ends:
                examples[index] = Example(float(scores[index]), face.image, activation)
            yield index, activation

    found = study_maps(maps_of, sets, region, metadata=metadata, done=done)
    best_first = sorted(examples.values(), key=lambda example: -example.score)
    return FilesStudy(found, region, [paths[index] for index in found.others], scores[found.others], best_first)
