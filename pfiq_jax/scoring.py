"""Scores of many image files, in order and batch by batch; and all there is to say about one face."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.calibration import Calibration, scale
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.reading import Face
from pfiq_jax.maps import PixelQuality, pixel_quality
from pfiq_jax.quality import QUALITY_METHODS, calibration_of, default_quality_method, find_calibration
from pfiq_jax.recognizers import Recognizer


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
