"""Scores of many image files, in order and batch by batch; and the score of one face with its map."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Array, Float

from pfiq_jax.calibration import PUBLISHED_SER_FIQ
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.batches import over_files
from pfiq_jax.faces.reading import Face, Found, ReadFaces
from pfiq_jax.maps import PixelQuality, pixel_quality
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method, find_calibration
from pfiq_jax.recognizers import Images, Recognizer, per_face

RESIZED = "resized without alignment"
BORROWED = "scale of another network"
NOT_FINITE = "its score is not a finite number; the recogniser's weights are faulty or overflow, so convert them again."


class Score(NamedTuple):
    """The score of one face, or why a file has none.

    Attributes:
        path: the file.
        quality: in (0, 1), higher is better; None without a score, or for a method without a scale.
        raw_quality: the score before scaling; None without a score.
        error: why there is no score, as one sentence that names the file.
        warning: why the score may be unreliable.
        found: where it lies in the photograph; None if no detector looked for it.
    """

    path: Path
    quality: float | None = None
    raw_quality: float | None = None
    error: str | None = None
    warning: str | None = None
    found: Found | None = None


def score_files(
    recognizer: Recognizer,
    paths: Sequence[Path],
    read: ReadFaces,
    *,
    method: str | None = None,
    batch_size: int | None = None,
    note: Callable[[Path, Face | PfiqError], object] = lambda path, face: None,
) -> Iterator[list[Score]]:
    """Scores image files, in order. It reads a batch of files while it computes another.

    Args:
        recognizer: preferably the one that will be deployed.
        paths: of the files.
        read: returns the faces in a file.
        method: one of ``QUALITY_METHODS``; None for ``default_quality_method``.
        batch_size: None for ``faces.batches.default_batch_size()``.
        note: called with every path and its face, or with the reason why it has none.

    Yields:
        The scores of one batch, of every face one; a file that cannot be read and a face whose score is not finite have
        an ``error`` instead.

    Raises:
        PfiqError: for a method for which the recogniser lacks something.
    """
    name = method or default_quality_method(recognizer)
    compute = functools.partial(raw_and_scaled, recognizer, method=name)
    borrowed = find_calibration(recognizer, name) is PUBLISHED_SER_FIQ
    for batch in over_files(compute, paths, read, size=recognizer.preprocessing.size, batch_size=batch_size):
        scores = []
        for path, face, (raw, scaled) in batch:
            quality = None if scaled is None else float(scaled)
            if not isinstance(face, PfiqError) and not math.isfinite(float(raw) + (quality or 0)):
                face = PfiqError(f"{path}: {NOT_FINITE}")
            note(path, face)
            if isinstance(face, PfiqError):
                scores.append(Score(path, error=str(face)))
            else:
                warnings = [BORROWED] * borrowed + [RESIZED] * face.resized + [*face.warnings]
                scores.append(Score(path, quality, float(raw), None, "; ".join(warnings) or None, face.found))
        yield scores


@per_face
def raw_and_scaled(
    recognizer: Recognizer, images: Images, *, method: str
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"] | None]:
    """The raw scores of a method, and the scaled ones; None instead if the method has no scale."""
    raw = QUALITY_METHODS[method].compute(recognizer, images)
    calibration = find_calibration(recognizer, method)
    return raw, None if calibration is None else calibration.scale(raw)


def pixel_and_raw_quality(recognizer: Recognizer, images: Images) -> tuple[PixelQuality, Float[Array, "*batch"]]:
    """The pixel quality of images and their raw score by the default method, from one forward and one backward pass."""
    return pixel_quality(recognizer, images, quality=_scaled_and_raw, has_aux=True)


def _scaled_and_raw(recognizer: Recognizer, images: Images) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    raw, scaled = raw_and_scaled(recognizer, images, method=default_quality_method(recognizer))
    assert scaled is not None  # the default method always has a scale
    return scaled, raw
