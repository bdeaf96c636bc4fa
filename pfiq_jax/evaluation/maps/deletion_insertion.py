"""Deletion and insertion: whether recognition depends on the pixels to which a map gives high quality.

Sources: Huber et al., "On Evaluating Pixel-Level Face Image Quality Assessment", EUSIPCO 2022, delete and insert
pixels in the order of their quality and measure recognition. Petsiuk et al., "RISE", BMVC 2018, introduced the areas
under such curves. Publications use different fills, so several can be chosen.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.evaluation.maps.regions import Images, Maps
from pfiq_jax.faces.batches import batches
from pfiq_jax.maps.smoothing import FILL_SIGMA
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import normalize

FRACTIONS: tuple[float, ...] = tuple(step / 20 for step in range(21))
"""The points of a curve: 0, 0.05, ..., 1."""

AREA_FRACTIONS: tuple[float, ...] = FRACTIONS[1::2]
"""0.05, 0.15, ..., 0.95, the midpoints of ten equal steps. The mean of a curve at them is the area under it."""


Fill = Literal["blur", "black", "mean"]


class Curve(NamedTuple):
    """The similarity of each face to the clean face, at each fraction of deleted or inserted pixels.

    Attributes:
        fractions: of the pixels that were deleted or inserted.
        similarity: cosine of the embedding to that of the clean face, -1 to 1.
    """

    fractions: Float[np.ndarray, " fractions"]
    similarity: Float[np.ndarray, "fractions faces"]

    @property
    def area(self) -> Float[np.ndarray, " faces"]:
        """Mean similarity of each face over ``AREA_FRACTIONS``; other fractions of the curve are ignored."""
        chosen = [int(np.flatnonzero(np.isclose(self.fractions, fraction))[0]) for fraction in AREA_FRACTIONS]
        return self.similarity[chosen].astype(np.float64).mean(0)


def deletion_curve(
    recognizer: Recognizer,
    images: Images,
    maps: Maps,
    *,
    fill: Fill = "blur",
    fractions: Sequence[float] = FRACTIONS,
    advance: Callable[[int], object] = lambda faces: None,
) -> Curve:
    """Replaces more and more pixels by a fill, those of highest quality first; lower curves are better.

    The blurred fill is the default. Single black pixels all over a face form a texture that faces do not have. They
    destroy the embedding at any place, so a random order then does as well as any map.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned.
        maps: one per image; higher is better. Only the order of the pixels of an image matters (see ``pixel_ranks``),
            so ``-maps`` deletes in reversed order and ``random_maps`` in a random order.
        fill: "blur" (Gaussian, ``FILL_SIGMA``, reflected at the edges), "black", or "mean" (the mean colour of the
            image).
        fractions: of pixels to delete, 0 to 1.
        advance: called with the number of faces that have passed through the network since the last call.

    Raises:
        PfiqError: without images, for maps of another shape or with NaN, for an unknown fill, and for a fraction
            outside 0..1.

    References:
        Huber et al., EUSIPCO 2022 (DEC); Petsiuk et al., section 4.3 (deletion).
    """
    return _curve(recognizer, images, maps, fill=fill, fractions=fractions, inserts=False, advance=advance)


def insertion_curve(
    recognizer: Recognizer,
    images: Images,
    maps: Maps,
    *,
    fractions: Sequence[float] = FRACTIONS,
    advance: Callable[[int], object] = lambda faces: None,
) -> Curve:
    """Inserts more and more pixels into the blurred image, those of highest quality first; higher curves are better.

    Inserting a fraction f in one order gives the same image as blurred deletion of 1 - f in the reversed order.

    Args:
        recognizer: the network that the maps explain.
        images: RGB, 0..255, aligned.
        maps: one per image, higher is better; see ``deletion_curve``.
        fractions: of pixels to insert, 0 to 1.
        advance: called with the number of faces that have passed through the network since the last call.

    Raises:
        PfiqError: as ``deletion_curve``.

    References:
        Huber et al., EUSIPCO 2022 (IEC); Petsiuk et al., section 4.3 (insertion).
    """
    return _curve(recognizer, images, maps, fill="blur", fractions=fractions, inserts=True, advance=advance)


def pixel_ranks(maps: Maps) -> Int[np.ndarray, "faces height width"]:
    """The rank of each pixel in its image; 0 is the highest quality, equal pixels are in reading order."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ranks = np.empty(flat.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1], dtype=np.int32)[None], 1)
    return ranks.reshape(maps.shape)


def filled(images: Images, fill: Fill) -> Float[np.ndarray, "faces _ _ 3"]:
    """The fill of each image, 0..255, from which deleted pixels are taken."""
    check_choice("fill", fill, ("blur", "black", "mean"))
    if fill == "blur":
        from scipy.ndimage import gaussian_filter  # takes long to import

        return gaussian_filter(np.float32(images), (0, FILL_SIGMA, FILL_SIGMA, 0), mode="reflect")
    mean = images.astype(np.float32).mean((1, 2), keepdims=True)
    return mean if fill == "mean" else np.zeros_like(mean)


@jax.jit
def _unit_embeddings(
    recognizer: Recognizer, images: Shaped[Array | np.ndarray, "faces height width 3"]
) -> Float[Array, "faces dim"]:
    return normalize(recognizer.embed(images))


@jax.jit
def _mixed(
    recognizer: Recognizer,
    images: Shaped[Array | np.ndarray, "faces height width 3"],
    fill: Float[Array | np.ndarray, "faces _ _ 3"],
    ranks: Int[Array | np.ndarray, "faces height width"],
    count: Int[Array | np.ndarray, ""],
    inserts: Bool[Array | np.ndarray, ""],
    clean: Float[Array, "faces dim"],
) -> Float[Array, " faces"]:
    """Similarity of images with only the first ``count`` pixels inserted into the fill, or deleted by it."""
    of_image = (ranks < count) == inserts
    mixed = jnp.where(of_image[..., None], jnp.asarray(images, jnp.float32), fill)
    return jnp.sum(_unit_embeddings(recognizer, mixed) * clean, -1)


def _curve(
    recognizer: Recognizer,
    images: Images,
    maps: Maps,
    *,
    fill: Fill,
    fractions: Sequence[float],
    inserts: bool,
    advance: Callable[[int], object],
) -> Curve:
    if not len(images) or maps.shape != images.shape[:3]:
        raise PfiqError(f"maps have shape {maps.shape} for images of shape {images.shape}; give one map per image.")
    if not np.isfinite(maps).all():
        raise PfiqError("maps hold NaN or infinite values, which cannot be ordered; give finite values.")
    if not all(0 <= fraction <= 1 for fraction in fractions):
        raise PfiqError(f"fractions are {fractions}; give numbers from 0 to 1.")
    pixels = maps[0].size
    counts = [np.array(round(fraction * pixels), np.int32) for fraction in fractions]
    similarity = np.empty((len(fractions), len(images)), np.float32)
    for rows, real in batches(len(images)):  # bounds the memory of fills and ranks
        batch, ranks, background = images[rows], pixel_ranks(maps[rows]), filled(images[rows], fill)
        clean = _unit_embeddings(recognizer, batch)
        for step, count in enumerate(counts):
            # As an array, so that insertion and deletion share their compilation.
            result = _mixed(recognizer, batch, background, ranks, count, np.array(inserts), clean)
            similarity[step, rows[:real]] = np.asarray(result)[:real]
            advance(real)
    return Curve(np.array(fractions, np.float64), similarity)
