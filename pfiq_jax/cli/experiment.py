"""What the experiments share: faces that were read or measured, and the three files of a report."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import jax
import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from pfiq_jax.cli.shared import reader_of, summarize
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces import Face, over_files
from pfiq_jax.quality import embeddings_and_scores
from pfiq_jax.recognizers import Recognizer


class Sample(NamedTuple):
    """Faces that could be read, and what there is to say of the others.

    Attributes:
        paths: of the faces that could be read.
        images: these, RGB, of the recogniser's size.
        squeezed: paths of those that had to be resized.
        problems: a sentence for each other one.
    """

    paths: list[Path]
    images: UInt8[np.ndarray, "faces height width 3"]
    squeezed: list[Path]
    problems: list[str]

    def close(self, recognizer: Recognizer) -> None:
        """Says on stderr which faces to doubt and which are missing; with exit code 1 if any are."""
        summarize(recognizer, len(self.paths) + len(self.problems), self.squeezed, self.problems)
        if self.problems:
            raise SystemExit(1)


def read_sample(recognizer: Recognizer, paths: Sequence[Path]) -> Sample:
    """The faces at paths, without those that cannot be read.

    Raises:
        PfiqError: where none can be read; it is the first one's problem.
    """
    read = reader_of(recognizer, None)
    good, images, squeezed, problems = [], [], [], []
    for path in paths:
        try:
            face = read(path)
        except PfiqError as error:
            problems.append(str(error))
            continue
        good.append(path)
        images.append(face.image)
        if face.squeezed:
            squeezed.append(path)
    if not images:
        raise PfiqError(f"no face can be read; the first: {problems[0]}")
    return Sample(good, np.stack(images), squeezed, problems)


class Measured(NamedTuple):
    """Embeddings and scores of the faces that could be read; which ones these are; how many had to be squeezed."""

    embeddings: np.ndarray
    scores: dict[str, np.ndarray]
    is_read: np.ndarray
    squeezed: int
    problems: list[str]


def measure(
    recognizer: Recognizer, paths: Sequence[Path], read: Callable[[Path], Face], methods: tuple[str, ...]
) -> Measured:
    """Embeddings and raw scores of all faces at paths, one pass through the trunk each."""
    compute = functools.partial(embeddings_and_scores, recognizer, methods=methods)
    faces, rows = [], []
    with tqdm(total=len(paths), unit="face", disable=None) as progress:
        for batch in over_files(compute, paths, read, size=recognizer.preprocessing.size):
            faces += [face for _, face, _ in batch]
            rows += [row for *_, row in batch]
            progress.update(len(batch))
    is_read = np.array([isinstance(face, Face) for face in faces])
    embeddings, scores = jax.tree.map(lambda *parts: np.stack(parts)[is_read], *rows)
    squeezed = sum(face.squeezed for face in faces if isinstance(face, Face))
    return Measured(embeddings, scores, is_read, squeezed, [str(face) for face in faces if isinstance(face, PfiqError)])


def tell_of_doubtful(recognizer: Recognizer, measured: Measured) -> None:
    """Says on stderr which measured faces to doubt and which are missing."""
    tell_of_problems(recognizer, measured.squeezed, measured.problems, len(measured.is_read))


def tell_of_problems(recognizer: Recognizer, squeezed: int, problems: Sequence[str], count: int) -> None:
    """Says on stderr how many of the faces to doubt, and which are missing."""
    if squeezed:
        height, width = recognizer.preprocessing.size
        click.echo(
            f"Warning: {squeezed} faces were squeezed to {width}x{height} pixels without being aligned, which "
            "makes their scores doubtful; align them first.",
            err=True,
        )
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if problems:
        click.echo(f"{len(problems)} of {count} faces were left out.", err=True)
