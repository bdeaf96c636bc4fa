"""Scores of many faces, in order and batch by batch, with maps on request; and the score of one face with its map."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax.calibration import PUBLISHED_SER_FIQ
from pfiq_jax.devices import Devices
from pfiq_jax.errors import PfiqError
from pfiq_jax.faces.batches import AnySource, default_batch_size, over_files
from pfiq_jax.faces.reading import Face, Found, ReadFaces
from pfiq_jax.faces.records import Source
from pfiq_jax.maps import PixelQuality, pixel_quality
from pfiq_jax.maps.pixel_quality import Quality
from pfiq_jax.quality import QUALITY_METHODS, default_quality_method, find_calibration
from pfiq_jax.recognizers import Images, Recognizer, per_face

LEAST_WITH_MAPS = 16  # faces in a batch: on two cores a tenth faster than 4 or 32 (benchmarks/bulk.py)
RESIZED = "resized without alignment"
BORROWED = "scale of another network"
NOT_FINITE = "its score is not a finite number; the recogniser's weights are faulty or overflow, so convert them again."


class Score(NamedTuple):
    """The score of one face, or the reason why a source has none.

    Attributes:
        path: the source: a file or a record.
        quality: in (0, 1), higher is better; None without a score, or for a method without a scale.
        raw_quality: the raw score; None without a score.
        error: the reason why there is no score, as one sentence that begins with the source.
        warning: the reason why the score may be unreliable.
        found: its position in the photograph; None if no detector was used.
        map: (height, width), in [0, 1], higher is better; see ``PixelQuality``. None if not requested.
        deficit: (height, width), in [0, 1], 1 is worst; see ``PixelQuality``. None if not requested, and if the
            recogniser was not calibrated for it.
    """

    path: Source
    quality: float | None = None
    raw_quality: float | None = None
    error: str | None = None
    warning: str | None = None
    found: Found | None = None
    map: Float[Array | np.ndarray, "height width"] | None = None
    deficit: Float[Array | np.ndarray, "height width"] | None = None

    @property
    def status(self) -> str:
        """Whether there is a score: "scored" or "failed"."""
        return "failed" if self.error else "scored"


def score_files(
    recognizer: Recognizer,
    sources: Iterable[AnySource],
    read: ReadFaces,
    *,
    method: str | None = None,
    maps: bool = False,
    batch_size: int | None = None,
    together: Callable[[AnySource], object] = lambda source: None,
    note: Callable[[AnySource, Face | PfiqError], object] = lambda source, face: None,
    halved: Callable[[int], object] = lambda size: None,
) -> Iterator[list[Score]]:
    """Scores the faces of files or records, in order, on all devices of this process.

    It reads some sources while it computes others. Memory does not grow with the number of sources.

    Args:
        recognizer: preferably the one that will be deployed.
        sources: files or records. They are taken as they are needed.
        read: returns the faces in a source.
        method: one of ``QUALITY_METHODS``; None for ``default_quality_method``.
        maps: whether scores have a map and a deficit, which take a forward and a backward pass.
        batch_size: number of faces that all devices together compute at once. None for
            ``faces.batches.default_batch_size()`` times the number of devices, but at least 16 with maps.
        together: a batch ends where the value of this function of a source changes.
        note: called with every source and its face, or with the reason why it has none.
        halved: called with the new size if batches do not fit into the devices' memory and are halved.

    Yields:
        The scores of one batch, one per face; a source that cannot be read and a face whose score is not finite have
        an ``error`` instead.

    Raises:
        PfiqError: for a method that the recogniser does not support, and if the smallest batch does not fit into the
            devices' memory.
    """
    name = method or default_quality_method(recognizer)
    borrowed = find_calibration(recognizer, name) is PUBLISHED_SER_FIQ
    devices = Devices.local(batch_size)
    default = max(default_batch_size() * len(devices.devices), LEAST_WITH_MAPS if maps else 1)
    compute = functools.partial(score_batch, devices.replicate(recognizer), method=name, maps=maps)
    batches = over_files(
        lambda images: compute(devices.split(images)),
        sources,
        read,
        batch_size=devices.rounded(batch_size or default),
        multiple=len(devices.devices),
        together=together,
        halved=halved,
    )
    for batch in batches:
        scores = []
        for source, face, row in batch:
            score = _score(source, face, row, (BORROWED,) * borrowed)
            note(source, face if score.error is None else PfiqError(score.error))
            scores.append(score)
        yield scores


def _score(source: Source, face: Face | PfiqError, row: "Computed | None", warnings: tuple[str, ...]) -> Score:
    if isinstance(face, PfiqError):
        return Score(source, error=str(face))
    assert row is not None  # every face has one
    quality = None if row.quality is None else float(row.quality)
    raw = float(row.raw_quality)
    if not math.isfinite(raw + (quality or 0)):
        return Score(source, error=f"{source}: {NOT_FINITE}")
    warning = "; ".join((*warnings, *(RESIZED,) * face.resized, *face.warnings)) or None
    return Score(source, quality, raw, None, warning, face.found, row.map, row.deficit)


class Computed(NamedTuple):
    """The results of the device for each face; ``Score`` describes them."""

    raw_quality: Float[Array | np.ndarray, "*batch"]
    quality: Float[Array | np.ndarray, "*batch"] | None
    map: Float[Array | np.ndarray, "*batch height width"] | None = None
    deficit: Float[Array | np.ndarray, "*batch height width"] | None = None


@per_face
def score_batch(recognizer: Recognizer, images: Images, *, method: str, maps: bool) -> Computed:
    """The scores of a batch of faces, and their maps and deficits if ``maps``."""
    if not maps:
        return Computed(*raw_and_scaled(recognizer, images, method=method))
    pixels, (raw, scaled) = pixel_quality(recognizer, images, quality=_weight_and_scores(method), has_aux=True)
    return Computed(raw, scaled, pixels.map, pixels.deficit)


@per_face
def raw_and_scaled(
    recognizer: Recognizer, images: Images, *, method: str
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"] | None]:
    """The raw scores of a method, and the scaled scores, or None if the method has no scale."""
    raw = QUALITY_METHODS[method].compute(recognizer, images)
    calibration = find_calibration(recognizer, method)
    return raw, None if calibration is None else calibration.scale(raw)


def pixel_and_raw_quality(recognizer: Recognizer, images: Images) -> tuple[PixelQuality, Float[Array, "*batch"]]:
    """The pixel quality of images and their raw score by the default method, from one forward and one backward pass."""
    pixels, (raw, scaled) = pixel_quality(
        recognizer, images, quality=_weight_and_scores(default_quality_method(recognizer)), has_aux=True
    )
    return pixels._replace(quality=scaled), raw


@functools.cache  # the same function each time: compiled programs depend on which one it is
def _weight_and_scores(method: str) -> Quality:
    """The factor of contributions, and the raw and scaled scores.

    The factor is the quality, or 1 if no scale was fitted to the recogniser: with other scales, all qualities can be
    nearly 0.
    """

    def weigh(recognizer: Recognizer, images: Images) -> tuple[Array, tuple[Array, Array | None]]:
        raw, scaled = raw_and_scaled(recognizer, images, method=method)
        is_fitted = find_calibration(recognizer, method) not in (None, PUBLISHED_SER_FIQ)
        return scaled if scaled is not None and is_fitted else jnp.where(jnp.isnan(raw), raw, 1), (raw, scaled)

    return weigh
