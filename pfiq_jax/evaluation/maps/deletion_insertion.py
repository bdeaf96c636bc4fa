"""Deletion and insertion: does recognition need the pixels that a map calls good?

Sources: Huber et al., "On Evaluating Pixel-Level Face Image Quality Assessment", EUSIPCO 2022, which deletes and
inserts pixels in the order of their quality and watches recognition; Petsiuk et al., "RISE", BMVC 2018, whose areas
under such curves these are. Neither a fill nor a measure is agreed on in the literature, so several are here.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.faces.batches import batches
from pfiq_jax.quality.ser_fiq import normalize, ser_fiq_closed_form
from pfiq_jax.recognizers.recognizer import Recognizer

FRACTIONS: tuple[float, ...] = tuple(step / 20 for step in range(21))
"""0, 0.05, ..., 1: of a curve."""

AREA_FRACTIONS: tuple[float, ...] = FRACTIONS[1::2]
"""0.05, 0.15, ..., 0.95, the midpoints of ten equal steps: a curve's mean over them is the area under it."""

BLUR_SIGMA = 11.0  # pixels: no feature of a 112x112 face survives, its colours and lighting do

Fill = Literal["blur", "black", "mean"]
Images = Shaped[np.ndarray, "faces height width 3"]
Maps = Float[np.ndarray, "faces height width"]


class Curve(NamedTuple):
    """What is left of each face at each fraction of its pixels.

    Attributes:
        fractions: of the pixels that were deleted or inserted.
        similarity: cosine of the embedding to that of the clean face, -1 to 1.
        score: raw SER-FIQ in closed form, 0.23 to 1; higher is better.
    """

    fractions: Float[np.ndarray, " fractions"]
    similarity: Float[np.ndarray, "fractions faces"]
    score: Float[np.ndarray, "fractions faces"]

    def area(self, values: Shaped[np.ndarray, "fractions faces"]) -> Float[np.ndarray, " faces"]:
        """Mean of one number of each face over ``AREA_FRACTIONS``, whatever others the curve has."""
        chosen = [int(np.flatnonzero(np.isclose(self.fractions, fraction))[0]) for fraction in AREA_FRACTIONS]
        return values[chosen].astype(np.float64).mean(0)


def deletion_curve(
    recognizer: Recognizer,
    images: Images,
    maps: Maps,
    *,
    fill: Fill = "blur",
    fractions: Sequence[float] = FRACTIONS,
    advance: Callable[[int], object] = lambda faces: None,
) -> Curve:
    """The pixels of highest quality replaced by a fill, more and more of them; lower curves speak for the map.

    The blurred fill has first place: black pixels scattered one by one are a texture that no face has, and destroy an
    embedding wherever they fall, so that a random order does as well as any map.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned.
        maps: one an image, higher is better; only the order of an image's pixels counts (see ``pixel_ranks``), so
            ``-maps`` deletes in reversed order and ``random_maps`` in a random one.
        fill: "blur" (Gaussian, ``BLUR_SIGMA``, reflected at the edges), "black" or "mean", the image's own mean colour.
        fractions: of pixels to delete, 0 to 1.
        advance: told the number of faces that have been through the network since it was last called.

    Raises:
        PfiqError: for no images, maps that do not fit them or hold NaN, an unknown fill, or a fraction outside 0..1.

    References:
        Huber et al., EUSIPCO 2022 (DEC); Petsiuk et al., section 4.3 (deletion).
    """
    return _curve(recognizer, images, maps, fill, fractions, False, advance)


def insertion_curve(
    recognizer: Recognizer,
    images: Images,
    maps: Maps,
    *,
    fractions: Sequence[float] = FRACTIONS,
    advance: Callable[[int], object] = lambda faces: None,
) -> Curve:
    """The pixels of highest quality put into the blurred image, more and more; higher curves speak for the map.

    Inserting a fraction f in one order makes the very image that blurred deletion of 1 - f in the reversed order makes.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned.
        maps: one an image, higher is better; see ``deletion_curve``.
        fractions: of pixels to insert, 0 to 1.
        advance: told the number of faces that have been through the network since it was last called.

    Raises:
        PfiqError: as ``deletion_curve``.

    References:
        Huber et al., EUSIPCO 2022 (IEC); Petsiuk et al., section 4.3 (insertion).
    """
    return _curve(recognizer, images, maps, "blur", fractions, True, advance)


def pixel_ranks(maps: Maps) -> Int[np.ndarray, "faces height width"]:
    """The place of each pixel in its image, 0 the highest quality; equal pixels in reading order."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ranks = np.empty(flat.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1], dtype=np.int32)[None], 1)
    return ranks.reshape(maps.shape)


def random_maps(seed: int, shape: tuple[int, int, int]) -> Maps:
    """Maps that know nothing, (faces, height, width) uniform in [0, 1): the control."""
    return np.random.default_rng(seed).random(shape, np.float32)


def filled(images: Images, fill: Fill) -> Float[np.ndarray, "faces _ _ 3"]:
    """What takes the place of deleted pixels, 0..255."""
    check_choice("fill", fill, ("blur", "black", "mean"))
    if fill == "blur":
        from scipy.ndimage import gaussian_filter  # takes long to import

        return gaussian_filter(np.float32(images), (0, BLUR_SIGMA, BLUR_SIGMA, 0), mode="reflect")
    mean = images.astype(np.float32).mean((1, 2), keepdims=True)
    return mean if fill == "mean" else np.zeros_like(mean)


@jax.jit
def embed_and_score(
    recognizer: Recognizer, images: Shaped[Array | np.ndarray, "faces height width 3"]
) -> tuple[Float[Array, "faces dim"], Float[Array, " faces"]]:
    """Unit embeddings and raw SER-FIQ in closed form; one pass of the trunk."""
    features = recognizer.features(images)
    score = ser_fiq_closed_form(recognizer.with_features(features), images, scaled=False)
    return normalize(recognizer.head(features)), score


@jax.jit
def _mixed(
    recognizer: Recognizer,
    images: Shaped[Array | np.ndarray, "faces height width 3"],
    fill: Float[Array | np.ndarray, "faces _ _ 3"],
    ranks: Int[Array | np.ndarray, "faces height width"],
    count: Int[Array | np.ndarray, ""],
    insert: Bool[Array | np.ndarray, ""],
    clean: Float[Array, "faces dim"],
) -> tuple[Float[Array, " faces"], Float[Array, " faces"]]:
    """Similarity and score of images of which the first ``count`` pixels, or all but these, are the fill's."""
    of_image = (ranks < count) == insert
    mixed = jnp.where(of_image[..., None], jnp.asarray(images, jnp.float32), fill)
    embedding, score = embed_and_score(recognizer, mixed)
    return jnp.sum(embedding * clean, -1), score


def _curve(
    recognizer: Recognizer,
    images: Images,
    maps: Maps,
    fill: Fill,
    fractions: Sequence[float],
    insert: bool,
    advance: Callable[[int], object],
) -> Curve:
    if not len(images) or maps.shape != images.shape[:3]:
        raise PfiqError(f"maps have shape {maps.shape} for images of shape {images.shape}; give one map an image.")
    if not np.isfinite(maps).all():
        raise PfiqError("maps hold NaN or infinite values, which have no order; give finite ones.")
    if not all(0 <= fraction <= 1 for fraction in fractions):
        raise PfiqError(f"fractions are {fractions}; give numbers from 0 to 1.")
    pixels = maps[0].size
    counts = [np.array(round(fraction * pixels), np.int32) for fraction in fractions]
    similarity, score = np.empty((2, len(fractions), len(images)), np.float32)
    for rows, real in batches(len(images)):  # the fills and ranks of one batch at a time: memory stays flat
        batch, ranks, background = images[rows], pixel_ranks(maps[rows]), filled(images[rows], fill)
        clean, _ = embed_and_score(recognizer, batch)
        for step, count in enumerate(counts):
            result = _mixed(recognizer, batch, background, ranks, count, np.array(insert), clean)
            similarity[step, rows[:real]], score[step, rows[:real]] = (np.asarray(x)[:real] for x in result)
            advance(real)
    return Curve(np.array(fractions, np.float64), similarity, score)
