"""Scores of many image files, in order and batch by batch; and all there is to say about one face."""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.pixels import PixelQuality, pixel_quality
from pfiq_jax.quality import QUALITY_METHODS, calibration_of, default_quality_method, find_calibration, scale
from pfiq_jax.recognizers import Calibration, Recognizer
from pfiq_jax.scoring.faces import Face

CPU_BATCH_SIZE = 4  # more are hardly faster, and take longer until their rows are written
ACCELERATOR_BATCH_SIZE = 256


class Score(NamedTuple):
    """What became of one image file.

    Attributes:
        path: the file.
        quality: in (0, 1), higher is better; None for a file without a score, or a method without a scale.
        raw_quality: the same before scaling; None for a file without a score.
        squeezed: whether the image was resized without being aligned.
        problem: why there is no score, as one sentence that names the file.
    """

    path: Path
    quality: float | None = None
    raw_quality: float | None = None
    squeezed: bool = False
    problem: str | None = None


def score_files(
    recognizer: Recognizer,
    paths: Sequence[Path],
    read: Callable[[Path], Face],
    *,
    method: str | None = None,
    batch_size: int | None = None,
) -> Iterator[list[Score]]:
    """Scores image files, in order; while one batch is computed the next one is read.

    Args:
        recognizer: best the one that will be deployed.
        paths: of the files.
        read: gives the face of a file, or raises PfiqError; called from several threads.
        method: one of ``QUALITY_METHODS``; None for the recogniser's default.
        batch_size: None for what suits the CPU or accelerator.

    Yields:
        The scores of one batch; a file that cannot be read has a ``problem`` in place of a score.

    Raises:
        PfiqError: for a method that the recogniser cannot do.
    """
    name = method or default_quality_method(recognizer)
    calibration = find_calibration(recognizer, name)
    compute = functools.partial(qualities_of, recognizer, method=name, calibration=calibration)
    size = recognizer.preprocessing.size
    for batch in over_files(compute, paths, read, size=size, batch_size=batch_size):
        yield [
            Score(path, problem=str(face))
            if isinstance(face, PfiqError)
            else Score(path, None if row[0] is None else float(row[0]), float(row[1]), face.squeezed)
            for path, face, row in batch
        ]


def over_files(
    compute: Callable[[np.ndarray], Any],
    paths: Sequence[Path],
    read: Callable[[Path], Face],
    *,
    size: tuple[int, int],
    batch_size: int | None = None,
) -> Iterator[list[tuple[Path, Face | PfiqError, Any]]]:
    """What a function of a batch of faces gives for each of many files, in order.

    Args:
        compute: of images (batch_size, height, width, 3); gives a pytree of arrays with one row a face. Best jitted:
            it always sees the same shape.
        paths: of the files.
        read: gives the face of a file, or raises PfiqError; called from several threads.
        size: height and width of the faces.
        batch_size: None for what suits the CPU or accelerator.

    Yields:
        For each file of a batch its path, its face or why there is none, and its row of the pytree, on the host.
    """
    if batch_size is None:
        batch_size = CPU_BATCH_SIZE if jax.default_backend() == "cpu" else ACCELERATOR_BATCH_SIZE

    def attempt(path: Path) -> Face | PfiqError:
        try:
            return read(path)
        except PfiqError as error:
            return error

    batches = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    with ThreadPoolExecutor() as pool:
        reading = pool.map(attempt, paths[:batch_size])
        for batch, next_batch in zip(batches, [*batches[1:], []], strict=True):
            faces = list(reading)
            reading = pool.map(attempt, next_batch)
            images = np.zeros((batch_size, *size, 3), np.uint8)
            for image, face in zip(images, faces, strict=False):
                if isinstance(face, Face):
                    image[:] = face.image
            rows = jax.device_get(compute(images))
            yield [
                (path, face, jax.tree.map(lambda leaf, index=index: leaf[index], rows))
                for index, (path, face) in enumerate(zip(batch, faces, strict=True))
            ]


@functools.partial(jax.jit, static_argnames=("method", "calibration"))
def qualities_of(
    recognizer: Recognizer, images: ArrayLike, *, method: str, calibration: Calibration | None
) -> tuple[Float[Array, "*batch"] | None, Float[Array, "*batch"]]:
    """The scaled score of images by a method, None without a calibration, and the raw one."""
    raw = QUALITY_METHODS[method](recognizer, images)
    return None if calibration is None else scale(raw, calibration), raw


@jax.jit
def explain(recognizer: Recognizer, images: ArrayLike) -> tuple[PixelQuality, Float[Array, "*batch"]]:
    """The pixel quality of images and their raw score by the default method; one forward, one backward."""
    method = default_quality_method(recognizer)
    raw_qualities = []

    def quality(known: Recognizer, batch: Array) -> Array:
        raw_qualities.append(QUALITY_METHODS[method](known, batch))
        return scale(raw_qualities[0], calibration_of(known, method))

    result = pixel_quality(recognizer, images, quality=quality)
    return result, raw_qualities[0].reshape(result.quality.shape)
