"""Scores of many image files, in order and batch by batch; and all there is to say about one face."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.reading import Face
from pfiq_jax.maps import PixelQuality, pixel_quality
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method, find_calibration
from pfiq_jax.recognizers import Images, Recognizer, per_face


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
    compute = functools.partial(raw_and_scaled, recognizer, method=name)
    size = recognizer.preprocessing.size
    for batch in over_files(compute, paths, read, size=size, batch_size=batch_size):
        yield [
            Score(path, problem=str(face))
            if isinstance(face, PfiqError)
            else Score(path, None if row[1] is None else float(row[1]), float(row[0]), face.squeezed)
            for path, face, row in batch
        ]


@per_face
def raw_and_scaled(
    recognizer: Recognizer, images: Images, *, method: str
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"] | None]:
    """The raw scores of a method, and the scaled ones; None instead of these if the method has no scale."""
    raw = QUALITY_METHODS[method].compute(recognizer, images)
    calibration = find_calibration(recognizer, method)
    return raw, None if calibration is None else calibration.scale(raw)


def explain(recognizer: Recognizer, images: Images) -> tuple[PixelQuality, Float[Array, "*batch"]]:
    """The pixel quality of images and their raw score by the default method; one forward, one backward pass."""
    return pixel_quality(recognizer, images, quality=_scaled_and_raw, has_aux=True)


def _scaled_and_raw(recognizer: Recognizer, images: Images) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    raw, scaled = raw_and_scaled(recognizer, images, method=default_quality_method(recognizer))
    assert scaled is not None  # the default method always has a scale
    return scaled, raw
