"""Scores of many image files, in order and batch by batch; and all there is to say about one face."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pfiq_jax.errors import PfiqError
from pfiq_jax.pixels import PixelQuality, pixel_quality
from pfiq_jax.quality import ser_fiq_closed_form
from pfiq_jax.recognizers import Recognizer
from pfiq_jax.scoring.faces import Face

CPU_BATCH_SIZE = 4  # more are hardly faster, and take longer until their rows are written
ACCELERATOR_BATCH_SIZE = 256


class Score(NamedTuple):
    """What became of one image file.

    Attributes:
        path: the file.
        quality: in (0, 1), higher is better; None for a file without a score.
        raw_quality: the same before scaling; None likewise.
        squeezed: whether the image was resized without being aligned.
        problem: why there is no score, as one sentence that names the file.
    """

    path: Path
    quality: float | None = None
    raw_quality: float | None = None
    squeezed: bool = False
    problem: str | None = None


def score_files(
    recognizer: Recognizer, paths: Sequence[Path], read: Callable[[Path], Face], *, batch_size: int | None = None
) -> Iterator[list[Score]]:
    """Scores image files, in order; while one batch is computed the next one is read.

    Args:
        recognizer: best the one that will be deployed.
        paths: of the files.
        read: gives the face of a file, or raises PfiqError; called from several threads.
        batch_size: None for what suits the CPU or accelerator.

    Yields:
        The scores of one batch; a file that cannot be read has a ``problem`` in place of a score.
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
            # Always the same shape, so that nothing compiles twice.
            images = np.zeros((batch_size, *recognizer.preprocessing.size, 3), np.uint8)
            for image, face in zip(images, faces, strict=False):
                if isinstance(face, Face):
                    image[:] = face.image
            qualities, raw_qualities = jax.device_get(qualities_of(recognizer, images))
            yield [
                Score(path, float(quality), float(raw_quality), face.squeezed)
                if isinstance(face, Face)
                else Score(path, problem=str(face))
                for path, face, quality, raw_quality in zip(batch, faces, qualities, raw_qualities, strict=False)
            ]


@jax.jit
def qualities_of(recognizer: Recognizer, images: ArrayLike) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """The scaled and the raw closed-form SER-FIQ of images; one forward."""
    known = recognizer.with_features(recognizer.features(images))
    return ser_fiq_closed_form(known, images), ser_fiq_closed_form(known, images, scaled=False)


@jax.jit
def explain(recognizer: Recognizer, images: ArrayLike) -> tuple[PixelQuality, Float[Array, "*batch"]]:
    """The pixel quality of images and their raw score; one forward, one backward."""
    raw_qualities = []

    def quality(known: Recognizer, batch: Array) -> Array:
        raw_qualities.append(ser_fiq_closed_form(known, batch, scaled=False))
        return ser_fiq_closed_form(known, batch)

    result = pixel_quality(recognizer, images, quality=quality)
    return result, raw_qualities[0].reshape(result.quality.shape)
